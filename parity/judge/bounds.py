"""What a contender's teacher-forced numbers are held to: limits of its arithmetic, along what yardsticks measure beside it.

Where a file stores its layers in ways of its own, what it stores has limits, too; they are measured when they are asked for.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from parity.judge.panel import Panel
from parity.measure.arithmetic import FP16_COMPUTE, HALF_COMPUTE, INT4, INT8
from parity.measure.bound import Bound
from parity.measure.budget import Budget, Following
from parity.measure.cases import Case, Drawn
from parity.measure.limits import as_stored, limits
from parity.measure.pooled import POOLED, pooled
from parity.measure.teacher_forcing import Measurement


def stage_bounds(
    panel: Panel, stage: str, variant: str, case: Case | Drawn, found: Measurement, halves: str = ""
) -> Iterator[Bound]:
    """Of a measurement of one output; which metric and step it is of, not its value, makes them. With `halves` those on a machine
    that does so for FP16 compute."""
    for budget in budgets(panel, stage, variant, found.metric, halves):
        beside = {(one.metric, one.step): one.value for one in panel.beside(stage, variant, budget.yardstick, case)}
        yield Bound.of(budget, _measured(budget, beside, found))


def pooled_bounds(panel: Panel, stage: str, variant: str, cases: Sequence[Case | Drawn], halves: str = "") -> Iterator[Bound]:
    """Of the errors over all of `cases` as one number; `halves` as above."""
    for budget in budgets(panel, stage, variant, POOLED, halves):
        beside = pooled([panel.beside(stage, variant, budget.yardstick, case) for case in cases])
        yield Bound.of(budget, math.nan if beside is None else beside.value)


def _measured(budget: Budget, beside: Mapping[tuple[str, int | None], float], found: Measurement) -> float:
    """What a yardstick measures, as a budget takes it. One that is not finite, or not there, allows nothing."""
    part = beside.get((found.metric, found.step), math.nan)
    return budget.counted(part, beside.get((budget.whole, None), math.nan)) if isinstance(budget, Following) else part


def budgets(panel: Panel, stage: str, variant: str, metric: str, halves: str) -> Iterator[Budget]:
    """That of an arithmetic that was measured, that of FP16 where small weights are computed in it, for it may move an answer
    more than they do, then those of what the file stores, if that is known to be the checkpoint's."""
    own = panel.arithmetic(variant, stage)
    arithmetic = own.on(halves) if halves else own
    yield limits(stage, metric, arithmetic)
    if arithmetic.compute == FP16_COMPUTE and arithmetic.weights in (INT8, INT4):
        yield limits(stage, metric, replace(HALF_COMPUTE, halves=arithmetic.halves))
    if panel.stores(variant, stage):
        yield from as_stored(stage, metric)
