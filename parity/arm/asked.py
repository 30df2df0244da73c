"""What CPUs were asked and answered, and how answers compare: with limits, with others' bits, and as numbers."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from parity.device.record.answers import Answers
from parity.device.record.journal import KIT
from parity.measure.asked import Digest
from parity.measure.metrics import relative_l2
from parity.measure.verdict import TEACHER_FORCED, Verdict
from parity.report.report import Report

NOT_FINITE = "nonfinite_values"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A CPU that was asked: the recorder's exit code there, its answers and, where code was watched, the kernels that ran."""

    name: str
    code: int
    answers: Answers
    kernels: Sequence[str] = ()

    @property
    def machine(self) -> Mapping[str, object]:
        """What the recorder saw of it."""
        found: Mapping[str, object] = list(self.answers.journal.of(KIT))[-1]["machine"]
        return found


@dataclass(frozen=True, kw_only=True)
class Found:
    """All there is to tell: the `report` on `whole`, the machine at hand and the CPUs that were asked all; `again`, these CPUs,
    asked a part on two threads; `twins`, others, asked the same part on one; what is said on Armv8.0 before a model is opened."""

    report: Report
    whole: Sequence[Asked]
    again: Sequence[Asked]
    twins: Sequence[Asked]
    without_atomics: str

    @property
    def own_parts(self) -> list[tuple[str, str]]:
        """Variant and stage of all that was asked, each file once."""
        return [(variant.name, part.stage) for variant, part in self.whole[0].answers.plan.own_parts]

    def checks(self, variant: str, stage: str, cpu: str) -> list[Verdict]:
        """The teacher-forced ones of a stage on a CPU."""
        of = (f"{variant}@{cpu}", stage, TEACHER_FORCED)
        return [check for check in self.report.checks if (check.variant, check.stage, check.ladder) == of]


def groups(asked: Iterable[Asked], variant: str, stage: str) -> list[list[str]]:
    """The names of those that give the same bits to every question which all of them were asked."""
    answers = {one.name: dict(one.answers.references(variant, stage)) for one in asked}
    common: set[Digest] = set.intersection(*map(set, answers.values()))
    found: dict[str, list[str]] = {}
    for name, own in answers.items():
        found.setdefault(repr(sorted((digest, own[digest]) for digest in common)), []).append(name)
    return list(found.values())


def unlike(few: Asked, other: Asked) -> list[str]:
    """In words, the stages that give other bits to what `few` was asked, and how far these are apart."""
    parts = [(variant.name, part.stage) for variant, part in few.answers.plan.own_parts]
    return [
        f"{stage}, {variant} ({_told(most_apart(few, other, variant, stage))})"
        for variant, stage in parts
        if len(groups([few, replace(other, name="other")], variant, stage)) > 1
    ]


def _told(distance: float) -> str:
    return "no numbers" if math.isnan(distance) else f"{distance:.0e} apart"


def calls_of(one: Asked) -> int:
    """How many calls it answered."""
    parts = [(variant.name, part.stage) for variant, part in one.answers.plan.own_parts]
    return sum(len(dict(one.answers.references(*part))) for part in parts)


def most_apart(one: Asked, other: Asked, variant: str, stage: str) -> float:
    """The largest relative L2 distance between their answers to a question, of any output; NaN where those are no numbers."""
    here, there = (each.answers.given(variant, stage) for each in (one, other))
    pairs = [(answer[name], there[digest][name]) for digest, answer in here.items() for name in answer]
    return float(np.max([relative_l2(*pair) for pair in pairs]))  # which keeps NaN
