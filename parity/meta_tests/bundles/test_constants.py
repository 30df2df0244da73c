"""The distance of neighbouring floats, which a constant is held to: also of those that have no larger neighbour."""

import numpy as np
import pytest

from parity.bundles.constants import FLOATS, spacing

LARGEST = {storage: np.finfo(kind).max for storage, kind in FLOATS.items()}


@pytest.mark.parametrize("storage", FLOATS)
@pytest.mark.parametrize("share", [1.0, -1.0, 0.5, 2.0**-10])
def test_a_float_is_as_far_from_the_next_one_towards_zero(storage: str, share: float) -> None:
    """The largest of all, such as a mask holds, is no reason to take any number for it."""
    value = np.array([share], FLOATS[storage]) * LARGEST[storage]
    below = np.nextafter(value, FLOATS[storage](0))
    assert spacing(value, storage) in (apart := np.abs(value.astype(np.float64) - below), 2 * apart)


@pytest.mark.parametrize("storage", FLOATS)
def test_infinity_is_near_to_nothing_and_no_number_to_less(storage: str) -> None:
    infinite, no_number = spacing(np.array([np.inf, np.nan], FLOATS[storage]), storage)
    assert infinite < LARGEST[storage]
    assert np.isnan(no_number)
