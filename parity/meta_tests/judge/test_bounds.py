"""Which limits a number is held to."""

from dataclasses import dataclass

import pytest

from parity.judge.bounds import budgets
from parity.measure.arithmetic import (
    FP16_COMPUTE,
    HALF_AND_HALF,
    HALF_SUMS,
    INT8_PER_ROW,
    INT8_WEIGHTS,
    SINGLE,
    Arithmetic,
)
from parity.measure.limits import limits
from reference.spec.stages import DIT

METRIC = "response_error"


@dataclass(frozen=True, kw_only=True)
class OfOne:
    """A panel whose contender has this arithmetic, and stores what is not known."""

    has: Arithmetic

    def arithmetic(self, variant: str, stage: str) -> Arithmetic:
        return self.has

    def stores(self, variant: str, stage: str) -> bool:
        return False


@pytest.mark.parametrize(("stored", "besides"), [
    (INT8_WEIGHTS, [HALF_SUMS]), (INT8_PER_ROW, [HALF_SUMS]), (SINGLE, []),
], ids=["int8 weights", "int8 per row", "float"])  # fmt: skip
def test_small_weights_computed_in_fp16_may_err_like_either(stored: Arithmetic, besides: list[Arithmetic]) -> None:
    computed = stored.computed_in(FP16_COMPUTE).on(HALF_AND_HALF)
    expected = [limits(DIT, METRIC, one) for one in (computed, *besides)]
    assert list(budgets(OfOne(has=computed), DIT, "any", METRIC, "")) == expected
    assert list(budgets(OfOne(has=stored), DIT, "any", METRIC, "")) == [limits(DIT, METRIC, stored)]
