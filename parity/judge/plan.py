"""The plan of a run: every check once, in which order, and under whose name a file that several contenders share is judged."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from parity.judge.beside import beside, judged_beside
from parity.judge.graph import UnseenGraph
from parity.judge.judge import Judge
from parity.judge.lineup import labelled
from parity.measure.cases import Case, Drawn
from parity.measure.sweep import Sweep, covered
from parity.measure.verdict import Verdict
from reference.progress import Say, numbered
from reference.spec.stages import ENCODER, STAGE_TABLE

ONCE = 1  # asked so often, nothing can differ
Asked = TypeVar("Asked", bound=Case | Drawn)
Shared = Mapping[tuple[str, str], str]  # (contender, stage) to the contender under whose name the stage is judged


def shared_stages(judge: Judge, variants: list[str]) -> Shared:
    """Stages whose very file an earlier contender runs in the same way: they are judged there."""
    first: dict[object, str] = {}
    found = {}
    for variant in variants:
        for stage in judge.stages(variant):
            judged_as = first.setdefault(judge.source(variant).identity(stage), variant)
            if judged_as != variant:
                found[variant, stage] = judged_as
    return found


def _impure(judge: Judge, variant: str) -> bool:
    """Whether any file of a contender's bundle has operators it is refused for. Answers from elsewhere are there without it."""
    bundle = judge.contenders[variant].bundle
    if bundle is None or variant in judge.replaced:
        return False
    return any(judge.files.impure(bundle, stage).count for stage in judge.stages(variant))


def free_running_cases(cases: list[Case]) -> list[Case]:
    """The cases marked for it; where the user chose none of those, the first one, so that the ladder is never empty."""
    return [case for case in cases if case.free_running] or cases[:1]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run judges: contenders by name, on which cases, which stages of them under another one's name.

    `refused` are contenders whose bundle is refused for its operators: it may not even open, so they are not run. `unseen` are
    the graphs that `checks` could not compare with the model's.
    """

    judge: Judge
    variants: list[str]
    cases: list[Case]
    shared: Shared = field(default_factory=dict)
    sweep: Sweep = field(default_factory=Sweep)
    refused: tuple[str, ...] = ()
    unseen: list[UnseenGraph] = field(default_factory=list)

    @classmethod
    def of(cls, judge: Judge, variants: list[str], cases: list[Case], sweep: Sweep | None = None) -> "Plan":
        """The plan of a gate run."""
        refused = tuple(name for name in variants if _impure(judge, name))
        run = [name for name in variants if name not in refused]
        shared = shared_stages(judge, run)
        return cls(judge=judge, variants=run, cases=cases, shared=shared, sweep=sweep or Sweep(), refused=refused)

    def cases_of(self, stage: str) -> Sequence[Case | Drawn]:
        """What a stage is fed that the truth leads to."""
        return self.cases

    def asked(self, variant: str, stage: str, cases: Sequence[Asked]) -> Sequence[Asked]:
        """Those of `cases` that a contender's stage can be asked."""
        return cases

    @cached_property
    def drawn(self) -> dict[str, list[Drawn]]:
        """What every stage is asked beside the cases, over the domains of its inputs."""
        stages = [stage for stage in STAGE_TABLE if any(stage in self.judge.stages(variant) for variant in self.variants)]
        return {stage: self.judge.drawn(stage, self.cases_of(stage)[0], self.sweep) for stage in stages}

    @property
    def covered(self) -> dict[str, str]:
        """In words, by stage, over what its inputs were drawn; nothing of a stage that was asked nothing."""
        return {stage: f"{covered(drawn)} (seed {self.sweep.seed})" for stage, drawn in self.drawn.items() if drawn}

    def checks(self, say: Say, cores: int = 1) -> Iterator[Verdict]:
        """Every check of the run, bundle by bundle, then contender by contender; on how many cores, where some can be judged
        meanwhile."""
        run = [self.judge.contenders[name].bundle for name in (*self.variants, *self.refused)]
        for label, bundle in labelled(self.judge.contenders):
            if any(bundle is other for other in run):
                yield from self.judge.artifacts(bundle, label)
        for variant in self.refused:
            say(f"{variant} is not run: its bundle is refused for its operators")
        for place, case in numbered(self.cases):
            if self.judge.stage_model.large:
                say(f"the truth of {case.id}, {place}, in float64")
            self.judge.truth(case)
        elsewhere, found = judged_beside(self, cores), dict[str, list[Verdict]]()
        with beside(self, elsewhere, say) as told:
            for place, variant in numbered([name for name in self.variants if name not in elsewhere]):
                say(f"judging {variant}, {place}")
                found[variant] = list(self.of_one(variant, say))
            found |= told()
        for variant in self.variants:
            yield from found[variant]

    def of_one(self, variant: str, say: Say) -> Iterator[Verdict]:
        """Every check of a contender."""
        yield from self._of_stages(variant, say)
        yield from self._of_the_whole(variant, say)

    def _of_stages(self, variant: str, say: Say) -> Iterator[Verdict]:
        """Each stage by itself, fed the truth."""
        for stage in self.judge.stages(variant):
            if (variant, stage) in self.shared:
                continue
            if self.judge.stage_model.large:
                say(f"{variant}: {stage} fed the truth")
            cases = self.asked(variant, stage, self.cases_of(stage))
            drawn = self.asked(variant, stage, self.drawn[stage])
            for case in cases:
                yield from self.judge.teacher_forced(stage, variant, case)
            yield from self.judge.pooled(stage, variant, cases)
            for place in drawn:
                yield from self.judge.swept(variant, place)
            graph = self.judge.graph(stage, variant, cases)
            yield from graph.checks
            yield from self.judge.kept(stage, variant, cases)
            if graph.unseen:
                self.unseen.append(UnseenGraph(variant=variant, stage=stage, why=graph.unseen))
            if self.judge.whole(variant):
                yield from self.judge.responses(stage, variant, drawn)
                if self.judge.repeats != ONCE:
                    yield self.judge.determinism(stage, variant, cases[0])

    def _of_the_whole(self, variant: str, say: Say) -> Iterator[Verdict]:
        """What leads from stage to stage, and what comes out in the end."""
        if ENCODER not in self.judge.stages(variant):
            say(f"{variant}: its bundle has no encoder, so audio-to-audio is not judged")
        for case in self.cases:
            yield from self.judge.replayed(variant, case)
        yield from self.judge.replayed(variant, self.cases[0], from_audio=True)
        for case in free_running_cases(self.cases) if self.judge.whole(variant) and self.judge.generates else ():
            if self.judge.model.large:
                say(f"{variant}: generating {case.id}, and how far its own errors may lead")
            yield from self.judge.free_running(variant, case)
