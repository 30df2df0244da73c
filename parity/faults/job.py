"""Parts of the mutation run, each done by a process with a judge of its own: both cores have work till the end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from litert_pipeline.bundle import Bundle
from parity.faults.arithmetics import Target
from parity.faults.bench import Bench
from parity.faults.catalogue import CATALOGUE
from parity.faults.fault import Fault
from parity.faults.mutation import Pair, Row, cases_for, clean_failures, pairs, run_fault, run_pair
from parity.judge.judge import Judge
from parity.measure.cases import Case
from parity.measure.verdict import Verdict
from parity.truth.store import Store

PAIRED = ("fp32", "fp16", "int8")  # arithmetics at which faults are injected in pairs
EACH, PAIRS, CLEAN = "faults", "pairs of faults", "no fault"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What faults are injected into: a model and its clean bundles, the files made of wrong modules, and the truths."""

    model: Path
    bundles: Sequence[Bundle]
    converted: Mapping[str, Path]
    store: Store


@dataclass(frozen=True, kw_only=True)
class Job:
    """What one process does: `kind` with the faults of these names in one contender, all of one stage where each is alone."""

    kind: str
    variant: str
    faults: tuple[str, ...]
    stage: str = ""

    @property
    def given(self) -> list[Fault]:
        return [CATALOGUE[name] for name in self.faults]

    def __str__(self) -> str:
        return f"{self.kind} in {f'{self.stage} of ' if self.stage else ''}{self.variant}"


@dataclass(frozen=True, kw_only=True)
class Part:
    """What a job has found."""

    rows: list[Row] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    clean: list[Verdict] | None = None  # None: not looked at


def jobs_of(faults: Sequence[Fault], targets: Sequence[Target], *, together: bool) -> list[Job]:
    """Every fault at every arithmetic, stage by stage and the longest first; `together`: in pairs and not at all, too."""
    each = []
    for target in targets:
        own = [fault for fault in faults if target.judges(fault)]
        for stage in dict.fromkeys(fault.stage for fault in own):
            names = tuple(fault.name for fault in own if fault.stage == stage)
            each.append(Job(kind=EACH, variant=target.variant, faults=names, stage=stage))
    each.sort(key=lambda job: -len(job.faults))
    names = tuple(fault.name for fault in faults)
    two = [Job(kind=PAIRS, variant=target.variant, faults=names) for target in targets if target.name in PAIRED]
    none = [Job(kind=CLEAN, variant=target.variant, faults=names) for target in targets]
    return [*each, *two, *none] if together else each


def done(job: Job, scene: Scene) -> Part:
    """Do a job."""
    with TemporaryDirectory() as folder, Judge.of(scene.model, scene.bundles, store=scene.store) as judge:
        bench = Bench(judge=judge, model=scene.model, folder=Path(folder), converted=dict(scene.converted))
        faults = job.given
        if job.kind == EACH:
            if job.stage in judge.stages(job.variant):
                bench.warm(job.variant, job.stage, cases_for(bench, faults))
            return Part(rows=[run_fault(bench, fault, job.variant) for fault in faults])
        if job.kind == PAIRS:
            able = [fault for fault in faults if fault.befalls(job.variant)]
            return Part(pairs=[run_pair(bench, pair, job.variant) for pair in pairs(able)])
        return Part(clean=clean_failures(bench, [job.variant], cases_for(bench, faults), lambda _: None))


def warmed(bench: Bench, variant: str, cases: Sequence[Case]) -> Bench:
    """The bench, when a clean variant has been asked all cases. What is drawn beside them few tests look at."""
    for stage in bench.judge.stages(variant):
        bench.warm(variant, stage, list(cases), swept=False)
    return bench
