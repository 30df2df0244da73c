"""Answers held to what the kit says is right. Numbers, limits and words are the gate's: the functions are the same."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from parity.device.record.answers import Answers
from parity.device.record.arrays import Arrays
from parity.device.record.kit import CASE, DRAWN, Check, Part, Plan, Question, Right, Variant
from parity.measure.arithmetic import HALF_AND_FLOAT, HALF_KINDS
from parity.measure.bound import under_any
from parity.measure.cases import Drawn
from parity.measure.pooled import pooled
from parity.measure.sweep import SWEPT, over_domain, response
from parity.measure.teacher_forcing import Measurement, measure
from parity.measure.verdict import Verdict, repeated
from reference.spec.errors import InputError
from reference.spec.sampling.objective import OBJECTIVES
from reference.spec.tensors import Tensors


def measurements(objective: str, question: Question, truth: Tensors, answers: list[Tensors]) -> list[Measurement]:
    """All that is judged of the answers to a question; `objective` is the model's, by name."""
    found = measure(question.stage, truth, answers, OBJECTIVES[objective])
    if question.kind != DRAWN:
        return found
    drawn = Drawn(stage=question.stage, feeds=[], places=list(question.places))
    return [one for one in (*found, *response(drawn, truth, answers)) if one.metric in SWEPT]


def truth_of(arrays: Arrays, right: Right) -> Tensors:
    """The truth about a question as measures take it."""
    return {name: arrays.of(reference) for name, reference in right.arrays.items()}


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The checks of a plan, found by what they are of, on a machine that does `halves` for FP16 compute; one of which that is not
    known is held to the strictest."""

    plan: Plan
    halves: str = HALF_AND_FLOAT

    @cached_property
    def _checks(self) -> Mapping[tuple[str, str, str | None, str, int | None], Check]:
        halves = self.halves if self.halves in HALF_KINDS else HALF_AND_FLOAT
        own = (one for one in self.plan.checks if one.halves in ("", halves))
        return {(one.variant, one.stage, one.question, one.metric, one.step): one for one in own}

    def verdict(self, variant: str, question: Question, found: Measurement) -> Verdict:
        """A measurement against its limits. Raises InputError where the kit has none."""
        checked = self._check(variant, question.stage, question.id, found)
        verdict = under_any(
            checked.bounds, lambda bound: bound.verdict(found, stage=question.stage, variant=variant, case=question.id)
        )
        return over_domain(verdict, question.places, found) if question.kind == DRAWN else verdict

    def pooled(self, variant: str, stage: str, found: Measurement) -> Verdict:
        """What was measured over all cases against its limits."""
        cases = self.plan.cases
        of = cases[0] if len(cases) == 1 else f"{len(cases)} cases"
        checked = self._check(variant, stage, None, found)
        return under_any(checked.bounds, lambda bound: bound.verdict(found, stage=stage, variant=variant, case=of))

    def _check(self, variant: str, stage: str, question: str | None, found: Measurement) -> Check:
        key = (variant, stage, question, found.metric, found.step)
        if key not in self._checks:
            raise InputError(f"the kit has no limit for {found.metric} of {stage}/{variant}, asked {question}; pack it again")
        return self._checks[key]


@dataclass(frozen=True, kw_only=True)
class OnTheSpot:
    """The teacher-forced verdicts on what was answered, with the truths among the kit's `arrays`."""

    answers: Answers
    arrays: Arrays

    def verdicts(self) -> Iterator[Verdict]:
        """Of all stages that were asked, each once."""
        for variant, part in self.answers.plan.own_parts:
            yield from self._of(variant, part)

    def _of(self, variant: Variant, part: Part) -> Iterator[Verdict]:
        plan, bounds = self.answers.plan, Bounds(plan=self.answers.plan, halves=self.answers.halves)
        cases: list[list[Measurement]] = []
        for question in (one for one in plan.questions_for(part) if one.kind in (CASE, DRAWN)):
            answers = self.answers.to(variant.name, part.stage, question)
            if answers is None:
                continue
            truth = truth_of(self.arrays, plan.right[part.stage, question.id, part.loading])
            found = measurements(plan.objective, question, truth, answers)
            cases += [found] if question.kind == CASE else []
            yield from (bounds.verdict(variant.name, question, one) for one in found)
        over_all = pooled(cases) if len(cases) == len(plan.cases) else None
        if over_all is not None:
            yield bounds.pooled(variant.name, part.stage, over_all)
        yield from self._determinism(variant, part)

    def _determinism(self, variant: Variant, part: Part) -> Iterator[Verdict]:
        plan = self.answers.plan
        if plan.repeats == 1:
            return
        unequal = self.answers.unequal(variant.name, part.stage, plan.threads[0])
        if unequal is not None:
            yield repeated(part.stage, variant.name, plan.cases[0], unequal=unequal, repeats=plan.repeats)


def worst_rows(checks: Iterable[Verdict]) -> list[list[Verdict]]:
    """The checks of a stage, variant and ladder together, worst first in each."""
    rows: dict[tuple[str, str, str], list[Verdict]] = {}
    for check in checks:
        rows.setdefault((check.variant, check.stage, check.ladder), []).append(check)
    return [sorted(row, key=lambda check: (check.ok, -check.share_of_limit)) for row in rows.values()]
