"""Limits follow from the arithmetic of a file: its own, or those of the arithmetic that errs most like it."""

import math
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pytest

from parity.judge.bounds import stage_bounds
from parity.judge.panel import Panel
from parity.measure.arithmetic import (
    FLOAT16,
    FP16_COMPUTE,
    HALF_AND_HALF,
    HALF_COMPUTE,
    HALF_CONSTANTS,
    HALF_KINDS,
    HALF_SUMS,
    HALF_WEIGHTS,
    INT4_GROUPS,
    INT4_WEIGHTS,
    INT8_GROUPS,
    INT8_PER_ROW,
    INT8_PER_TENSOR,
    INT8_WEIGHTS,
    PER_ROW,
    PER_TENSOR,
    SINGLE,
    Arithmetic,
)
from parity.measure.budget import UNIT_ROUNDOFF, Following
from parity.measure.cases import Case
from parity.measure.codec_limits import CODEC_LIMITS
from parity.measure.limits import FLOAT, LIMITS, ONE_SUM, limits, nearest
from parity.measure.metrics import relative_l2
from parity.measure.teacher_forcing import OF_LATENTS, OF_STEREO, Measurement
from reference.spec.stages import DECODER, SAME_ENCODER

SECONDS_INPUTS, ROWS = 257, 4096  # of the number embedder's layer; enough rows that chance is small

# Arithmetics without limits of their own, and whose they are held to.
LENT = {
    replace(INT4_WEIGHTS, compute=FP16_COMPUTE): INT4_WEIGHTS,
    replace(INT4_WEIGHTS, activations=PER_ROW): INT4_WEIGHTS,
    replace(INT8_PER_ROW, compute=FP16_COMPUTE): INT8_PER_ROW,
    replace(INT8_PER_TENSOR, compute=FP16_COMPUTE): INT8_PER_TENSOR,
    replace(INT8_WEIGHTS, compute=FP16_COMPUTE): INT8_WEIGHTS,
    replace(INT8_GROUPS, compute=FP16_COMPUTE): INT8_GROUPS,
    replace(INT4_GROUPS, compute=FP16_COMPUTE): INT4_GROUPS,
    replace(HALF_WEIGHTS, compute=FP16_COMPUTE): HALF_COMPUTE,
    replace(HALF_CONSTANTS, compute=FP16_COMPUTE): HALF_COMPUTE,
    Arithmetic(weights=FLOAT16, part="decoder"): HALF_WEIGHTS,
    Arithmetic(activations=PER_TENSOR): SINGLE,
}


def test_an_arithmetic_with_limits_of_its_own_is_held_to_them() -> None:
    assert [nearest(arithmetic) for arithmetic in LIMITS] == list(LIMITS)


@pytest.mark.parametrize("arithmetic", LENT, ids=str)
def test_another_is_held_to_the_coarsest_of_what_it_has(arithmetic: Arithmetic) -> None:
    assert arithmetic not in LIMITS
    assert nearest(arithmetic) == LENT[arithmetic]
    assert limits("dit", "denoised_error", arithmetic) == limits("dit", "denoised_error", LENT[arithmetic])


@pytest.mark.parametrize("kind", HALF_KINDS)
def test_fp16_compute_has_the_limits_of_what_the_machine_does(kind: str) -> None:
    assert nearest(HALF_COMPUTE.on(kind)).halves == kind
    assert nearest(replace(HALF_WEIGHTS, compute=FP16_COMPUTE).on(kind)).halves == kind


def test_what_a_machine_does_in_half_matters_to_nothing_else() -> None:
    assert SINGLE.on(HALF_AND_HALF) == SINGLE
    assert HALF_COMPUTE.on("something new") == HALF_COMPUTE


@pytest.mark.parametrize("metric", OF_STEREO)
def test_what_many_values_share_is_held_below_one_rounding_of_each(metric: str) -> None:
    """Where the yardstick happens to be exact."""
    assert limits(DECODER, metric, SINGLE).limits(0.0)[1] < limits(DECODER, "worst_echo", SINGLE).limits(0.0)[1]


@pytest.mark.parametrize(
    ("part", "whole", "counted"),
    [(0.0, 1.0, 0.5), (0.75, 1.0, 0.75), (math.nan, 1.0, math.nan), (0.0, math.nan, math.nan)],
    ids=["next to nothing", "more than its share", "a part that is no number", "a whole that is no number"],
)
def test_a_drawn_part_counts_as_its_share_and_what_is_no_number_allows_nothing(part: float, whole: float, counted: float) -> None:
    budget = Following(yardstick="fp16_half_sums", low_factor=0.0, factor=2.0, why="", whole="relative_l2", share=0.5)
    np.testing.assert_equal(budget.counted(part, whole), counted)
    np.testing.assert_equal(replace(budget, share=0.0).counted(part, whole), part)


@dataclass
class Beside:
    """As much of a panel as bounds ask: one arithmetic, and a yardstick that errs by these."""

    arithmetic_there: Arithmetic
    found: list[Measurement]

    def arithmetic(self, variant: str, stage: str) -> Arithmetic:
        return self.arithmetic_there

    def stores(self, variant: str, stage: str) -> bool:
        return False

    def beside(self, stage: str, variant: str, yardstick: str, case: object) -> list[Measurement]:
        return self.found


@pytest.mark.parametrize("metric", sorted(OF_LATENTS))
def test_a_part_next_to_nothing_of_a_drawn_yardstick_is_held_to_its_share_of_the_whole(metric: str) -> None:
    part, whole = Measurement(metric=metric, value=0.0), Measurement(metric="relative_l2", value=1.0)
    panel = cast(Panel, Beside(HALF_SUMS, [part, whole]))
    (bound,) = stage_bounds(panel, SAME_ENCODER, "litert_fp16", cast(Case, None), part)
    budget = CODEC_LIMITS[HALF_SUMS][SAME_ENCODER][metric]
    assert isinstance(budget, Following)
    assert bound.limit == budget.factor * budget.share > 0


def test_a_sum_whose_products_are_added_one_after_the_other_is_within_the_limit_of_the_seconds_row() -> None:
    """However few roundings a BLAS makes of it that adds in parts; a limit without that floor refuses such a kernel."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=SECONDS_INPUTS), rng.normal(size=(SECONDS_INPUTS, ROWS))
    products = (x[:, None] * w).astype(np.float32)
    one_by_one, exact = np.cumsum(products, axis=0, dtype=np.float32)[-1], products.sum(axis=0, dtype=np.float64)
    lost = relative_l2(exact, one_by_one)
    assert FLOAT.limits(UNIT_ROUNDOFF)[1] < lost < ONE_SUM.limits(UNIT_ROUNDOFF)[1]
