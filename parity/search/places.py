"""Where on this machine the things are that trials name by their hashes; opened once per process."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from pathlib import Path

from fixtures import PROMPTS_FILE
from litert_pipeline.build.convert import source_of
from litert_pipeline.bundle import Bundle, read_bundle
from litert_pipeline.versions import installed_versions
from parity.measure.cases import Case, Drawn, load_cases
from parity.measure.sweep import drawn
from parity.search.trial import Trial, digest
from parity.truth.store import Store
from parity.truth.traces import Truth
from reference.codec_stages import load_stages
from reference.spec.errors import InputError
from reference.spec.files import sha256_of
from reference.spec.sources import hash_of, imported
from reference.spec.stages import STAGE_TABLE
from reference.spec.tensors import Tensors

MEASURING = "parity.search.measured"  # what a trial's numbers follow from is what this imports
PACKAGES = ("reference", "litert_pipeline", "parity")
PRODUCING = ("litert-quantizer", "ai-edge-litert", "numpy")  # whose versions change them, too


@dataclass(frozen=True, kw_only=True)
class Places:
    """A model dir, a bundle with its float files, and a folder where truths are kept (None: nowhere); `threads` of a runtime."""

    model: Path
    bundle: Path
    cache: Path | None = None
    threads: int = 1


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The trace of the calls that a stage is asked, as if a generation had no others; `steps` are the generation's own numbers
    of its steps."""

    trace: Tensors
    steps: tuple[int, ...]

    def step(self, place: int | None) -> int | None:
        """The generation's number of a step of the trace."""
        return None if place is None else self.steps[place]


@dataclass(frozen=True, kw_only=True)
class Node:
    """All that trials are measured with in this process. Whatever is in it is read or computed once."""

    places: Places
    truths: Truth
    bundle: Bundle
    _intact: set[str] = field(default_factory=set)

    @cached_property
    def model(self) -> str:
        """The hash of the model dir."""
        return digest(asdict(source_of(self.truths.model)))

    def require(self, trial: Trial) -> None:
        """Raise InputError where the trial is of another model, of other files, or of other code than what is here."""
        where = self.places
        if self.model != trial.model:
            raise InputError(f"{where.model}: is not the model of this search; give every node the same model dir")
        entry = self.bundle.manifest.stages.get(trial.stage)
        if entry is None or entry.sha256 != trial.file:
            raise InputError(f"{where.bundle}: has not the {trial.stage} of this search; give every node the same bundle")
        if trial.stage not in self._intact and self.bundle.altered(trial.stage):
            raise InputError(f"{self.bundle.path(trial.stage)}: SHA-256 differs from the manifest; convert or copy it again")
        self._intact.add(trial.stage)
        if measuring_code() != trial.code:
            raise InputError(
                "this process measures with other code, or another quantizer or runtime, than the search was started with; "
                "install the same versions everywhere, or start the search again"
            )

    def fed(self, trial: Trial) -> "dict[str, Asked]":
        """What the stage is fed and should answer, by case."""
        truths, spec = self.truths, self.truths.generator.spec
        cases = load_cases(truths.generator.tokenizer, spec, list(trial.cases))
        found = {case.id: at_steps(trial.stage, truths.trace(case), trial.steps) for case in cases}
        places: Sequence[Case | Drawn] = ()
        if trial.draws:
            places = drawn(trial.stage, spec, truths.trace(cases[0]), count=trial.draws, seed=trial.seed)
        return found | {f"drawn {index}": at_steps(trial.stage, truths.trace(one), ()) for index, one in enumerate(places)}


@cache
def node(places: Places) -> Node:
    """This process's own. Raises InputError for a bad model dir or bundle."""
    truths = Truth(model=load_stages(places.model), store=Store(folder=places.cache))
    bundle = read_bundle(places.bundle)
    if bundle.manifest.source != source_of(truths.model):
        raise InputError(f"{places.bundle}: was not converted from {places.model}; convert that model again")
    return Node(places=places, truths=truths, bundle=bundle)


@cache
def measuring_code() -> str:
    """The hash of the code that numbers follow from, of the cases, and of the versions that do."""
    files = hash_of(imported((MEASURING,), PACKAGES).values())
    versions = {name: found for name, found in installed_versions().items() if name in PRODUCING}
    return digest([files, sha256_of(PROMPTS_FILE), versions])


def at_steps(stage: str, trace: Tensors, steps: Sequence[int]) -> Asked:
    """The calls of a stage that are at `steps` of a generation; all of them where none is named.

    Raises InputError for a step that the generation has not, and for a stage that no sampler calls.
    """
    row = STAGE_TABLE[stage]
    here = [place.step for place in row.places(trace)]
    own = sorted({step for step in here if step is not None})
    if not steps:
        return Asked(trace=trace, steps=tuple(own))
    if wrong := sorted(set(steps) - set(own)):
        told = f"0 to {own[-1]}" if own else "none, for no sampler calls it"
        raise InputError(f"steps {', '.join(map(str, wrong))}: {stage} is asked at {told}; name some of these, or leave them out")
    asked = [(call, step) for call, step in enumerate(here) if step in steps and step is not None]
    kept = row.kept([row.feed(trace, call) for call, _ in asked], [row.truth(trace, call) for call, _ in asked])
    return Asked(trace=kept, steps=tuple(step for _, step in asked))
