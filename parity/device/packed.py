"""What goes into a kit: questions, truths and limits, as the judge has them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from parity.device.record.arrays import Arrays
from parity.device.record.plan import CASE, CHANGES, DRAWN, Check, Generation, Part, Question, Right, Variant
from parity.device.record.verdicts import measurements
from parity.judge.bounds import pooled_bounds, stage_bounds
from parity.judge.judge import Judge
from parity.judge.plan import Plan, free_running_cases
from parity.judge.responses import changed_feeds
from parity.measure.arithmetic import FP16_COMPUTE, HALF_KINDS, STATIC
from parity.measure.cases import Case, Drawn
from parity.measure.pooled import pooled
from parity.measure.teacher_forcing import Measurement
from reference.spec.stages import STAGE_TABLE
from reference.spec.tensors import Array, Tensors

HALVES = {False: CHANGES, True: f"{CHANGES} for half precision"}


class Noted(dict[str, Array]):
    """A trace that notes what is read of it: that much of it a device needs."""

    def __init__(self, trace: Mapping[str, Array]) -> None:
        super().__init__(trace)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Array:
        self.read.add(name)
        return super().__getitem__(name)


def right_answers(stage: str, truth: Mapping[str, Array]) -> list[Tensors]:
    """What a stage that errs nowhere answers, call by call."""
    row = STAGE_TABLE[stage]
    return [row.truth(truth, call) for call in range(row.calls(truth))]


@dataclass(frozen=True, kw_only=True)
class Packing:
    """A plan of the gate on its way into a kit's folder of `arrays`."""

    plan: Plan
    arrays: Arrays
    bundles: Mapping[str, str]  # by variant, what its bundle is called in the kit
    objective: str

    @property
    def judge(self) -> Judge:
        return self.plan.judge

    def variants(self) -> list[Variant]:
        """The variants that are asked."""
        found = []
        for name in self.plan.variants:
            contender = self.judge.contenders[name]
            parts = [self._part(name, stage) for stage in self.judge.stages(name)]
            kernels, compute = contender.runtime.name, contender.compute
            found.append(Variant(name=name, bundle=self.bundles[name], kernels=kernels, compute=compute, parts=parts))
        return found

    def rights(self, variants: Iterable[Variant]) -> list[Right]:
        """Truths and, as a side effect that saves space, the arrays that questions share with them: call it before `asked`."""
        loadings = dict.fromkeys((part.stage, part.loading) for variant in variants for part in variant.parts)
        return [self._right(stage, id_, case, loading) for stage, loading in loadings for id_, case in self._judged(stage)]

    def asked(self, variants: Iterable[Variant]) -> list[Question]:
        """All questions: those with truths, then changes, which are judged by whether they are answered."""
        parts = [part for variant in variants for part in variant.parts]
        stages = list(dict.fromkeys(part.stage for part in parts))
        found = [self._question(stage, id_, case) for stage in stages for id_, case in self._judged(stage)]
        halves = sorted({(stages.index(part.stage), part.half) for part in parts if part.changes})
        return found + [self._changes(stages[index], half) for index, half in halves]

    def checks(self, variants: Iterable[Variant]) -> Iterator[Check]:
        """The limits of all that is measured of the answers of each stage that is asked."""
        for variant in variants:
            for part in variant.parts:
                if part.judged_as == variant.name:
                    yield from self._checks(variant.name, part)

    def generations(self) -> list[Generation]:
        """From prompt to audio."""
        return [self._generation(case) for case in free_running_cases(self.plan.cases)]

    def measured(self, question: Question, truth: Tensors) -> list[Measurement]:
        """What is measured of answers that are right: which metrics there are, of which steps."""
        return measurements(self.objective, question, truth, right_answers(question.stage, truth))

    def truth(self, stage: str, case: Case | Drawn, loading: str) -> Tensors:
        """As measures take it."""
        return self.judge.truths.as_loaded(case, stage, loading)

    def _part(self, variant: str, stage: str) -> Part:
        arithmetic = self.judge.arithmetic(variant, stage)
        return Part(
            stage=stage,
            judged_as=self.plan.shared.get((variant, stage), variant),
            loading=arithmetic.loaded,
            half=arithmetic.compute == FP16_COMPUTE,
            changes=bool(self.plan.drawn[stage]) and arithmetic.activations != STATIC,
        )

    def _judged(self, stage: str) -> list[tuple[str, Case | Drawn]]:
        """What a stage is asked that has a truth, by id."""
        drawn = [(f"{DRAWN} {index}", one) for index, one in enumerate(self.plan.drawn[stage])]
        return [*((case.id, case) for case in self.plan.cases), *drawn]

    def _question(self, stage: str, id_: str, case: Case | Drawn) -> Question:
        row, trace = STAGE_TABLE[stage], self.judge.truths.trace(case)
        calls = [self._fed(row.feed(trace, call)) for call in range(row.calls(trace))]
        return replace(_outline(stage, id_, case), calls=calls)

    def _changes(self, stage: str, half: bool) -> Question:
        feeds = changed_feeds(self.judge.model, stage, self.plan.drawn[stage], half=half)
        return Question(id=HALVES[half], stage=stage, kind=CHANGES, calls=[self._fed(feed) for feed in feeds], half=half)

    def _fed(self, feed: Mapping[str, Array]) -> dict[str, str]:
        return {name: self.arrays.keep(array) for name, array in feed.items()}

    def _right(self, stage: str, id_: str, case: Case | Drawn, loading: str) -> Right:
        noted = Noted(self.truth(stage, case, loading))
        self.measured(_outline(stage, id_, case), noted)
        arrays = {name: self.arrays.keep(noted[name]) for name in sorted(noted.read)}
        return Right(stage=stage, question=id_, loading=loading, arrays=arrays)

    def _checks(self, variant: str, part: Part) -> Iterator[Check]:
        """Of a stage that computes in half those of each machine: what it does decides how much it errs."""
        for halves in HALF_KINDS if part.half else ("",):
            yield from self._checks_where(variant, part, halves)

    def _checks_where(self, variant: str, part: Part, halves: str) -> Iterator[Check]:
        found: list[list[Measurement]] = []
        for id_, case in self._judged(part.stage):
            truth = self.truth(part.stage, case, part.loading)
            measured = self.measured(_outline(part.stage, id_, case), truth)
            found += [] if isinstance(case, Drawn) else [measured]
            for one in measured:
                bounds = list(stage_bounds(self.judge, part.stage, variant, case, one, halves))
                yield Check(
                    variant=variant, stage=part.stage, question=id_, metric=one.metric, step=one.step, bounds=bounds,
                    halves=halves,
                )  # fmt: skip
        over_all = pooled(found)
        if over_all is not None:
            bounds = list(pooled_bounds(self.judge, part.stage, variant, self.plan.cases, halves))
            yield Check(
                variant=variant, stage=part.stage, question=None, metric=over_all.metric, step=None, bounds=bounds, halves=halves
            )  # fmt: skip

    def _generation(self, case: Case) -> Generation:
        trace, request = self.judge.truth(case), case.request
        return Generation(
            case=case.id, prompt=request.prompt, seconds=request.seconds, seed=case.seed, noise=case.noise,
            sampler=request.sampler.name, steps=request.sampler.steps,
            tokens={name: self.arrays.keep(trace[name]) for name in ("input_ids", "attention_mask")},
        )  # fmt: skip


def _outline(stage: str, id_: str, case: Case | Drawn) -> Question:
    """A question without what is fed."""
    if isinstance(case, Drawn):
        return Question(id=id_, stage=stage, kind=DRAWN, calls=(), places=case.places)
    return Question(id=id_, stage=stage, kind=CASE, calls=())
