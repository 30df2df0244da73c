"""The checkpoint's weights stored as a file stores its own: by its kind of grid, whatever its numbers are."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.bundles.constants import SMALL_INTEGERS, UINT4, UINT8, Constant, Grid, middle
from parity.bundles.layout import Layout
from parity.bundles.matching import Match
from parity.bundles.requantized import requantized
from parity.measure.arithmetic import FLOAT16, FLOAT32, INT4, INT8
from parity.truth.interpreted import Use
from reference.spec.tensors import Array

SHAPE = (6, 8)
LEVELS = 255  # of 8 bits above the lowest
ROUNDED = 1e-6  # relative: float32 in a value that stands on a float64 grid
HALF_STEP = 0.5 + ROUNDED  # the nearest level is never farther away
ON_GRID = 1e-3  # of a step: a value of a hundred steps, rounded to float32
A_BIT = 2.0  # in squares: half as many levels make four times as much, less what is drawn of few values
BLOCKS = {"tensor": SHAPE, "channel": (1, 8), "block": (1, 4)}  # how many values along each axis share a scale


def entries(block: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(length // size for length, size in zip(SHAPE, block, strict=True))


def stored(levels: Array, storage: str, block: tuple[int, ...], *, symmetric: bool = True, factor: float = 1.0) -> Constant:
    """A constant of some levels; its scales say nothing that `requantized` may look at."""
    zero = np.full(entries(block), float(middle(storage)) + (0 if symmetric else 1))
    grid = Grid(scale=np.full(entries(block), factor), zero=zero, block=block)
    return Constant(name="w", shape=SHAPE, storage=storage, read=lambda start, stop: levels[start:stop], grid=grid)


def match(constant: Constant, value: Array) -> Match:
    use = Use(place=0, operator="linear", value=torch.from_numpy(value), origins=("w",), derived=False)
    return Match(constant=constant, use=use, layout=Layout(order=(0, 1)))


def drawn(seed: int) -> Array:
    return np.random.Generator(np.random.Philox(seed)).standard_normal(SHAPE, np.float32)


def full(storage: str) -> Array:
    """Levels of which the lowest and the highest are used."""
    low, high = SMALL_INTEGERS[storage]
    return np.resize(np.array([low, high]), SHAPE)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), block=st.sampled_from(list(BLOCKS)), storage=st.sampled_from([INT8, INT4, UINT8, UINT4]))
def test_values_lie_within_half_a_step_of_the_plain_grid(seed: int, block: str, storage: str) -> None:
    value, size = drawn(seed), BLOCKS[block]
    found = requantized(match(stored(full(storage), storage, size), value)).values()
    reach = SMALL_INTEGERS[storage][1] - middle(storage)
    split = np.abs(value).reshape(entries(size)[0], size[0], entries(size)[1], size[1])
    step = np.broadcast_to(split.max((1, 3), keepdims=True) / reach, split.shape).reshape(SHAPE)
    assert np.all(np.abs(found - value) <= step * HALF_STEP)
    assert np.allclose(found / step, np.rint(found / step), rtol=0, atol=ON_GRID)


@pytest.mark.parametrize("symmetric", [True, False])
def test_the_file_s_own_scales_make_no_difference(symmetric: bool) -> None:
    value = drawn(0)
    found = [
        requantized(match(stored(full(INT8), INT8, BLOCKS["channel"], symmetric=symmetric, factor=factor), value)).values()
        for factor in (1.0, 16.0)
    ]
    assert np.array_equal(*found)
    assert not np.array_equal(found[0], value)


@pytest.mark.parametrize(("storage", "symmetric"), [(INT8, True), (UINT8, False)])
def test_a_bit_that_is_left_free_is_left_free(storage: str, symmetric: bool) -> None:
    value = drawn(0)
    levels = (full(storage) // part for part in (1, 2))
    whole, half = (requantized(match(stored(own, storage, SHAPE, symmetric=symmetric), value)).values() for own in levels)
    apart, farther = (np.square(found - value).mean() for found in (whole, half))
    assert farther > A_BIT * apart


def test_an_asymmetric_grid_has_zero_where_the_values_ask_for_it() -> None:
    value = np.abs(drawn(0))
    found = requantized(match(stored(full(UINT8), UINT8, SHAPE, symmetric=False), value)).values()
    assert np.abs(found - value).max() <= value.max() / LEVELS * HALF_STEP


def test_zero_is_on_every_grid() -> None:
    """Though no value is near it: padding and what is left out have to be exact."""
    value = 1 + np.abs(drawn(0))
    found = requantized(match(stored(full(UINT8), UINT8, SHAPE, symmetric=False), value)).values()
    levels = found / (value.max() / np.float32(LEVELS))
    assert np.allclose(levels, np.rint(levels), rtol=0, atol=ON_GRID)


def test_a_bias_in_steps_of_its_products_is_left_as_it_is() -> None:
    value = drawn(0)
    assert np.array_equal(requantized(match(stored(np.zeros(SHAPE), "int32", SHAPE), value)).values(), value)


@pytest.mark.parametrize("storage", [FLOAT16, FLOAT32])
def test_floats_are_rounded_as_they_are_stored(storage: str) -> None:
    value = drawn(0)
    constant = Constant(name="w", shape=SHAPE, storage=storage, read=lambda start, stop: value[start:stop])
    assert np.array_equal(requantized(match(constant, value)).values(), value.astype(storage).astype(np.float32))
