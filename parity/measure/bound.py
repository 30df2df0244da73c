"""What a value may be, as plain numbers: a budget once its yardstick is measured."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from parity.measure.budget import Budget
from parity.measure.teacher_forcing import Measurement
from parity.measure.verdict import TEACHER_FORCED, Verdict


@dataclass(frozen=True, kw_only=True)
class Bound:
    """The least and the most a value may be, and why."""

    low_limit: float
    limit: float
    why: str

    @classmethod
    def of(cls, budget: Budget, yardstick: float) -> "Bound":
        """A budget; `yardstick` is what it follows."""
        low_limit, limit = budget.limits(yardstick)
        return cls(low_limit=low_limit, limit=limit, why=budget.why)

    def verdict(self, found: Measurement, *, stage: str, variant: str, case: str, ladder: str = TEACHER_FORCED) -> Verdict:
        """A measurement held to it."""
        return Verdict(
            stage=stage, variant=variant, case=case, ladder=ladder, metric=found.metric, step=found.step,
            value=found.value, limit=self.limit, low_limit=self.low_limit, why=self.why,
        )  # fmt: skip


def under_any(bounds: Iterable[Bound], under: Callable[[Bound], Verdict]) -> Verdict:
    """The verdict under the first bound or, where it does not hold, under the next that does; the later ones are asked for only
    then. Raises StopIteration if there is none at all."""
    left = iter(bounds)
    first = under(next(left))
    return first if first.ok else next((verdict for verdict in map(under, left) if verdict.ok), first)
