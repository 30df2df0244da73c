"""`python -m parity faults`: the whole mutation run on both cores."""

from collections.abc import Iterator
from concurrent.futures import as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from fixtures.make_model import make_model
from litert_pipeline.build.conversions import Conversions
from litert_pipeline.build.workers import workers
from parity.bundles.given import chosen_bundles
from parity.faults.arithmetics import STRICT, Target, chosen_targets, judged_by
from parity.faults.catalogue import CATALOGUE
from parity.faults.converted import convert_all
from parity.faults.fault import Fault
from parity.faults.job import Job, Part, Scene, done, jobs_of
from parity.faults.mutation import Row
from parity.faults.outcome import Outcome
from parity.judge.lineup import contenders_of
from parity.truth.store import Store
from reference.progress import Say
from reference.spec.errors import InputError

OWN_CONFIG = "tiny"


@dataclass(frozen=True, kw_only=True)
class FaultOptions:
    """What to inject into what. Without bundles the model is converted; `files`: wrong modules are, too."""

    model: Path
    bundles: list[Path]
    arithmetics: list[str] | None
    only: list[str] | None
    files: bool


def run_faults(options: FaultOptions, store: Store, say: Say) -> Outcome:
    """Inject every fault, or those asked for, at every arithmetic. Raises InputError for bad input."""
    faults, targets = chosen_faults(options.only), chosen_targets(options.arithmetics)
    parts: list[Part] = []
    with ExitStack() as stack:
        if store.folder is None:  # truths are shared by all processes of this run, and by nothing else
            store = replace(store, folder=Path(stack.enter_context(TemporaryDirectory())))
        for config in dict.fromkeys(fault.config for fault in faults):
            own = [fault for fault in faults if fault.config == config]
            with _scene(config, own, targets, options, store, say) as scene:
                there = judged_by(targets, contenders_of(scene.bundles))
                together = config == OWN_CONFIG and options.only is None
                parts += _all_done(jobs_of(own, there, together=together), scene, say)
    return Outcome.of(parts)


def chosen_faults(names: list[str] | None) -> list[Fault]:
    """The faults called `names`, or all. Raises InputError for an unknown one, listing the valid."""
    unknown = [name for name in names or [] if name not in CATALOGUE]
    if unknown:
        raise InputError(f"fault {', '.join(unknown)} is unknown; valid faults: {', '.join(CATALOGUE)}")
    return [CATALOGUE[name] for name in names or CATALOGUE]


@contextmanager
def _scene(
    config: str, faults: list[Fault], targets: list[Target], options: FaultOptions, store: Store, say: Say
) -> Iterator[Scene]:
    """The model asked for, or a seeded one that can show what that one cannot, and its files."""
    with TemporaryDirectory() as name:
        folder, model, given = Path(name), options.model, options.bundles
        if config != OWN_CONFIG:
            say(f"making the model '{config}'")
            model, given = folder / config, []
            make_model(model, config, seed=0)
        conversions = Conversions.inside(store.folder)
        names = list(dict.fromkeys([STRICT.variant, *(target.variant for target in targets)]))
        bundles = chosen_bundles(model, given, names, folder / "bundles", say, conversions)
        (folder / "faults").mkdir()
        converted = convert_all(faults, model, folder / "faults", say, conversions) if options.files else {}
        yield Scene(model=model, bundles=bundles, converted=converted, store=store)


def _all_done(jobs: list[Job], scene: Scene, say: Say) -> Iterator[Part]:
    """What all jobs have found, told as each ends."""
    say(f"{len(jobs)} jobs, one after the other in each of two processes")
    with workers() as pool:
        running = {pool.submit(done, job, scene): job for job in jobs}
        for count, future in enumerate(as_completed(running), start=1):
            part = future.result()
            say(f"{count} of {len(jobs)}: {running[future]}")
            for row in part.rows:
                say(row_in_words(row))
            yield part


def row_in_words(row: Row) -> str:
    """One line about a fault in a variant."""
    finding, what = row.judged, f"{row.fault.name} in {row.variant}"
    if not row.caught:
        return f"MISSED {what}: the worst check uses {100 * finding.nearest:.0f} % of its limit"
    inside = f", module {row.module}" if row.module else ""
    least = f", down to {row.threshold:g} of it" if row.threshold is not None else ""
    wrong = "" if row.blamed else f", WRONGLY blamed on {finding.first.stage if finding.first else 'nobody'}"
    return f"caught {what}: {row.fault.stage}{inside}: {finding.sentence}{least}{wrong}"
