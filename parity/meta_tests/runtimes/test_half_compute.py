"""What a machine's FP16 compute is, recognised from one row: each arithmetic alone, and none that would pass for another."""

from collections.abc import Callable

import numpy as np
import pytest

from parity.measure.arithmetic import FLOAT32_KERNELS, HALF_AND_FLOAT, HALF_AND_HALF
from parity.measure.half_compute import LARGE, ONES, UNKNOWN, LongRow, long_row, recognised
from parity.runtimes.host import half_compute
from reference.spec.tensors import Array


def summed(row: LongRow, dtype: type, *, half_factors: bool, partial_sums: int = 1) -> Array:
    """The row added in `dtype`, in sums side by side that take the products in turn."""
    x = (row.x[0] + row.offset).astype(np.float16 if half_factors else np.float32)
    products = (x[:, None].astype(np.float32) * row.w).astype(dtype)
    sums = np.zeros((partial_sums, 2), dtype)
    for term in products.reshape(-1, partial_sums, 2):
        sums = (sums + term).astype(dtype)
    return sums.astype(np.float32).sum(0)[None]


# Ways to sum, and what each is.
WAYS: dict[str, tuple[Callable[[LongRow], Array], str]] = {
    "float32": (lambda row: summed(row, np.float32, half_factors=False), FLOAT32_KERNELS),
    "float32 in 16 sums": (lambda row: summed(row, np.float32, half_factors=False, partial_sums=16), FLOAT32_KERNELS),
    "half, float sums": (lambda row: summed(row, np.float32, half_factors=True), HALF_AND_FLOAT),
    "half, 8 float sums": (lambda row: summed(row, np.float32, half_factors=True, partial_sums=8), HALF_AND_FLOAT),
    "half": (lambda row: summed(row, np.float16, half_factors=True), HALF_AND_HALF),
    "half in 2 sums": (lambda row: summed(row, np.float16, half_factors=True, partial_sums=2), HALF_AND_HALF),
    "half in 16 sums": (lambda row: summed(row, np.float16, half_factors=True, partial_sums=16), HALF_AND_HALF),
    "not a number": (lambda row: np.full((1, 2), np.nan), UNKNOWN),
    "half of the ones lost": (lambda row: row.sums * [[0.5, 0.0]], UNKNOWN),
    "ones lost, differences kept": (lambda row: row.sums * [[0.0, 1.0]], UNKNOWN),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_way_to_sum_is_recognised(way: str) -> None:
    run, kind = WAYS[way]
    found = recognised(run)
    assert found.kind == kind, str(found)
    assert str(found).startswith(kind)


def test_without_the_large_numbers_half_sums_would_pass_for_float_sums() -> None:
    """Why they are in the row: 992 ones alone are added in half without a loss."""
    row = long_row()
    ones = LongRow(x=row.x, offset=row.offset, w=np.where(np.abs(row.w) < LARGE, row.w, 0))
    assert round(float(summed(ones, np.float16, half_factors=True)[0, 0])) == ONES


def test_this_machine_s_is_one_of_the_three() -> None:
    assert half_compute().kind != UNKNOWN, str(half_compute())
