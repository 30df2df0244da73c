"""How far a trial is from the original: its errors place by place, pooled as the judge pools them, and the worst of them, which
policies have bars for."""

import math
from collections.abc import Iterable, Mapping

from parity.measure.closeness import Distance
from parity.measure.policy import Bar, Policy
from parity.measure.pooled import TO_POOL, pooled
from parity.measure.teacher_forcing import Measurement
from parity.measure.verdict import TEACHER_FORCED
from parity.search.trial import Result

Place = tuple[str, str, int]  # case, metric, which of the case's numbers of that metric


def errors(result: Result) -> dict[Place, float]:
    """The numbers that are pooled, by where they were measured; none where an answer was not finite."""
    found: dict[Place, float] = {}
    if any(one.metric == "nonfinite_values" and one.value for one in result.numbers):
        return found
    for one in result.numbers:
        if one.metric in TO_POOL:
            before = sum(1 for case, metric, _ in found if (case, metric) == (one.case, one.metric))
            found[one.case, one.metric, before] = one.value
    return found


def distance(found: Mapping[Place, float]) -> float:
    """All errors as one number; NaN where there is none."""
    one = pooled([[Measurement(metric=metric, value=value)] for (_, metric, _), value in found.items()])
    return math.nan if one is None else one.value


def bar_of(policy: Policy, stage: str) -> Bar | None:
    """What a policy asks of the teacher-forced answers of a stage, if anything."""
    return next((bar for bar in policy.bars if stage in bar.distance.stages and bar.distance.ladder == TEACHER_FORCED), None)


def worst(found: Mapping[Place, float], asked: Distance) -> float:
    """The largest error a distance is about; NaN where there is none, or one is none."""
    return _largest(value for (_, metric, _), value in found.items() if metric in asked.metrics)


def share_of_bar(found: Mapping[Place, float], bar: Bar | None) -> float:
    """How much of what a policy allows is used: up to 1 it holds. 0 where nothing is asked; NaN stays NaN."""
    if bar is None:
        return 0.0
    return worst(found, bar.distance) / _allowed(bar)


def _allowed(bar: Bar) -> float:
    """The bar as an error: decibels say the same of its logarithm."""
    limit = float(bar.text)
    return 10 ** (-limit / 20) if bar.distance.larger_is_closer else limit


def _largest(values: Iterable[float]) -> float:
    found = list(values)
    return math.nan if not found or any(math.isnan(value) for value in found) else max(found)
