"""Measurements against their limits."""

from parity.measure.bound import Bound
from parity.measure.budget import Budget
from parity.measure.limits import ENVELOPE_FACTOR
from parity.measure.teacher_forcing import Measurement
from parity.measure.verdict import TEACHER_FORCED, Verdict
from parity.truth.envelope import QUANTILE


def envelope_why(count: int) -> str:
    """The reason of a free-running limit, after `count` draws."""
    return f"{ENVELOPE_FACTOR:g}x what {QUANTILE:.0%} of {count} generations disturbed by the variant's own error stay below"


def held(
    stage: str,
    variant: str,
    case: str,
    found: Measurement,
    budget: Budget,
    yardstick: float,
    ladder: str = TEACHER_FORCED,
) -> Verdict:
    """A measurement against its budget; `yardstick` is what the budget follows."""
    return Bound.of(budget, yardstick).verdict(found, stage=stage, variant=variant, case=case, ladder=ladder)
