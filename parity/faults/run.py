"""`python -m parity faults`: the whole mutation run, and whether the gate came out of it well."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from fixtures.make_model import make_model
from litert_pipeline.build.conversions import Conversions
from litert_pipeline.build.recipes import RECIPES
from parity.bundles.given import chosen_bundles
from parity.faults.bench import Bench
from parity.faults.catalogue import CATALOGUE
from parity.faults.converted import convert_all
from parity.faults.fault import Fault
from parity.faults.mutation import Pair, Row, cases_for, clean_failures, pairs, run_fault, run_pair
from parity.judge.judge import Judge
from parity.measure.cases import load_cases
from parity.measure.verdict import Verdict
from parity.runtimes import REFERENCES, names_of
from parity.truth.store import Store
from reference.progress import Say
from reference.spec.errors import InputError

VARIANTS_RUN = ("litert_fp32", "litert_fp16", "litert_int8")
STRICT = "litert_fp32"  # every fault has to be caught here
LEAST_CAUGHT = 0.95  # of the faults in any other variant: a real fault may drown in quantization, few may
OWN_CONFIG = "tiny"


@dataclass(frozen=True, kw_only=True)
class FaultOptions:
    """What to inject into what. Without bundles the model is converted; `files`: wrong modules are, too."""

    model: Path
    bundles: list[Path]
    variants: list[str] | None
    only: list[str] | None
    files: bool


@dataclass(kw_only=True)
class Outcome:
    """What the run found."""

    rows: list[Row] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    clean: list[Verdict] | None = None  # None: not looked at

    @property
    def variants(self) -> list[str]:
        return list(dict.fromkeys(row.variant for row in self.rows))

    def caught(self, variant: str) -> tuple[int, int]:
        """Faults caught and blamed on the right stage, and faults injected."""
        own = [row for row in self.rows if row.variant == variant]
        return sum(row.blamed for row in own), len(own)

    def complaints(self) -> list[str]:
        """Why the gate is not proven; empty if it is."""
        lines = (
            [] if self.rows or self.clean is not None else ["nothing was injected: no such variant can have the fault"]
        )
        lines += [f"refused without a fault: {check}" for check in self.clean or []]
        for variant in self.variants:
            caught, injected = self.caught(variant)
            if caught < (1.0 if variant == STRICT else LEAST_CAUGHT) * injected:
                lines.append(f"{variant}: {caught} of {injected} faults caught and blamed on the right stage")
        return lines + [f"not blamed: {pair}" for pair in self.pairs if not pair.blamed and not self.hidden(pair)]

    def hidden(self, pair: Pair) -> bool:
        """Whether each of the two is missed alone, too: then the variant's precision hides both."""
        missed = {(row.fault.name, row.variant) for row in self.rows if not row.caught}
        return all((fault.name, pair.variant) in missed for fault in pair.faults)


def run_faults(options: FaultOptions, store: Store, say: Say) -> Outcome:
    """Inject every fault, or those asked for, into every variant. Raises InputError for bad input."""
    faults, variants = chosen_faults(options.only), options.variants or list(VARIANTS_RUN)
    foreign = [name for name in variants if name in REFERENCES or name in _not_litert()]
    if foreign:
        raise InputError(f"variant {', '.join(foreign)}: faults are injected into LiteRT files; choose litert_...")
    outcome = Outcome()
    for config in dict.fromkeys(fault.config for fault in faults):
        own = [fault for fault in faults if fault.config == config]
        with _bench(config, options, variants, store, say) as bench:
            if options.files:
                bench.converted |= convert_all(own, bench.model, bench.folder, say, Conversions.inside(store.folder))
            _run(bench, own, variants, outcome, say)
            if config == OWN_CONFIG and options.only is None:
                _run_together(bench, own, variants, outcome, say)
    return outcome


def _not_litert() -> set[str]:
    """Variants whose files no fault can be injected into."""
    others = [recipe for recipe in RECIPES.values() if recipe.format != "litert"]
    return {name for recipe in others for name, _ in names_of(recipe.format, recipe.name)}


def chosen_faults(names: list[str] | None) -> list[Fault]:
    """The faults called `names`, or all. Raises InputError for an unknown one, listing the valid."""
    unknown = [name for name in names or [] if name not in CATALOGUE]
    if unknown:
        raise InputError(f"fault {', '.join(unknown)} is unknown; valid faults: {', '.join(CATALOGUE)}")
    return [CATALOGUE[name] for name in names or CATALOGUE]


@contextmanager
def _bench(config: str, options: FaultOptions, variants: list[str], store: Store, say: Say) -> Iterator[Bench]:
    """A clean judge of the model asked for, or of a seeded one that can show what that one cannot."""
    with TemporaryDirectory() as name:
        folder, model, given = Path(name), options.model, options.bundles
        if config != OWN_CONFIG:
            say(f"making the model '{config}'")
            model, given = folder / config, []
            make_model(model, config, seed=0)
        conversions = Conversions.inside(store.folder)
        names = variants if STRICT in variants else [STRICT, *variants]
        bundles = chosen_bundles(model, given, names, folder / "bundles", say, conversions)
        (folder / "faults").mkdir()
        with Judge.of(model, bundles, store=store) as judge:
            yield Bench(judge=judge, model=model, folder=folder / "faults")


def _run(bench: Bench, faults: list[Fault], variants: list[str], outcome: Outcome, say: Say) -> None:
    for variant in variants:
        bench.warm(variant, cases_for(bench, faults))
    for fault in faults:
        for variant in variants:
            if fault.befalls(variant):
                row = run_fault(bench, fault, variant)
                outcome.rows.append(row)
                say(row_in_words(row))


def _run_together(bench: Bench, faults: list[Fault], variants: list[str], outcome: Outcome, say: Say) -> None:
    """Two faults at once, and none."""
    for variant in variants:
        say(f"pairs of faults in {variant}")
        outcome.pairs += [run_pair(bench, pair, variant) for pair in pairs([f for f in faults if f.befalls(variant)])]
    model = bench.judge.model
    outcome.clean = clean_failures(bench, variants, load_cases(model.tokenizer, model.spec.seconds), say)


def row_in_words(row: Row) -> str:
    """One line about a fault in a variant."""
    finding, what = row.judged, f"{row.fault.name} in {row.variant}"
    if not row.caught:
        return f"MISSED {what}: the worst check uses {100 * finding.nearest:.0f} % of its limit"
    inside = f", module {row.module}" if row.module else ""
    least = f", down to {row.threshold:g} of it" if row.threshold is not None else ""
    wrong = "" if row.blamed else f", WRONGLY blamed on {finding.first.stage if finding.first else 'nobody'}"
    return f"caught {what}: {row.fault.stage}{inside}: {finding.sentence}{least}{wrong}"
