"""Answers held to what the kit says is right. Numbers, limits and words are the gate's: the functions are the same."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from parity.device.record.arrays import Arrays
from parity.device.record.plan import CASE, DRAWN, Check, Part, Plan, Question, Right
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

JUDGED = (CASE, DRAWN)  # kinds of questions that a kit has truths about


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


class Answered(Protocol):
    """What a device answered, or answers when it is asked."""

    @property
    def plan(self) -> Plan:
        """Of the kit."""

    @property
    def halves(self) -> str:
        """What the device does for FP16 compute; empty where that could not be found out."""

    def to(self, variant: str, stage: str, question: Question) -> list[Tensors] | None:
        """What a stage answered, call by call; None if it did not."""

    def unequal(self, variant: str, stage: str, threads: int) -> int | None:
        """How many values differed where equal inputs were asked again; None if they were not."""


@dataclass(frozen=True, kw_only=True)
class OnTheSpot:
    """The teacher-forced verdicts on what was answered, with the truths among the kit's `arrays`."""

    answers: Answered
    arrays: Arrays
    _found: dict[tuple[str, str, str], list[Measurement]] = field(default_factory=dict)

    def verdicts(self) -> Iterator[Verdict]:
        """Of all stages that were asked, each once."""
        for variant, part in self.answers.plan.own_parts:
            for question in self.answers.plan.questions_for(part):
                yield from self.of_question(variant.name, part, question)
            yield from self.of_all_cases(variant.name, part)
            yield from self.of_repeats(variant.name, part)

    def of_question(self, variant: str, part: Part, question: Question) -> Iterator[Verdict]:
        """Nothing of what was not answered, and of changes, whose truth is the host's to make."""
        return (self._bounds.verdict(variant, question, one) for one in self._measured(variant, part, question))

    def of_all_cases(self, variant: str, part: Part) -> Iterator[Verdict]:
        """The errors over all cases as one number, where all were answered."""
        cases = [question for question in self.answers.plan.questions_for(part) if question.kind == CASE]
        found = [measured for one in cases if (measured := self._measured(variant, part, one))]
        over_all = pooled(found) if len(found) == len(self.answers.plan.cases) else None
        if over_all is not None:
            yield self._bounds.pooled(variant, part.stage, over_all)

    def of_repeats(self, variant: str, part: Part) -> Iterator[Verdict]:
        """Whether equal inputs gave equal bits, where they were asked again."""
        plan = self.answers.plan
        if plan.repeats == 1:
            return
        unequal = self.answers.unequal(variant, part.stage, plan.threads[0])
        if unequal is not None:
            yield repeated(part.stage, variant, plan.cases[0], unequal=unequal, repeats=plan.repeats)

    def _measured(self, variant: str, part: Part, question: Question) -> list[Measurement]:
        """Of a question that has a truth in the kit; nothing if it was not answered."""
        key = (variant, part.stage, question.id)
        answers = self.answers.to(variant, part.stage, question) if question.kind in JUDGED and key not in self._found else None
        if answers is not None:
            plan = self.answers.plan
            truth = truth_of(self.arrays, plan.right[part.stage, question.id, part.loading])
            self._found[key] = measurements(plan.objective, question, truth, answers)
        return self._found.get(key, [])

    @cached_property
    def _bounds(self) -> Bounds:
        return Bounds(plan=self.answers.plan, halves=self.answers.halves)


def worst_rows(checks: Iterable[Verdict]) -> list[list[Verdict]]:
    """The checks of a stage, variant and ladder together, worst first in each."""
    rows: dict[tuple[str, str, str], list[Verdict]] = {}
    for check in checks:
        rows.setdefault((check.variant, check.stage, check.ladder), []).append(check)
    return [sorted(row, key=lambda check: (check.ok, -check.share_of_limit)) for row in rows.values()]
