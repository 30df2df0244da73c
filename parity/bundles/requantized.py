"""The checkpoint's weights as a file stores its own: as many bits, as many values to a scale, zero where the file has it.

Of the file's numbers nothing is taken but which levels are used, only how it stores them. So a reference that holds these weights
errs as much as the file has to, layer by layer, and says nothing about whether the file is right.
"""

from dataclasses import replace

import numpy as np

from parity.bundles.constants import FLOATS, SMALL_INTEGERS, UINT8, Constant, Grid, middle
from parity.bundles.matching import Match
from parity.measure.arithmetic import FLOAT32, INT8
from reference.spec.tensors import Array

REDUCED = 64  # levels at either side: where a tool leaves a bit free, for processors whose products of 8 bits overflow


def requantized(match: Match) -> Constant:
    """What a constant would be if the nearest values of a plain grid of its kind were taken; it takes no more room."""
    constant = match.constant
    wanted = np.atleast_1d(match.expected().reshape(constant.shape).numpy())
    if constant.grid is not None and constant.storage in SMALL_INTEGERS:
        return _rounded(wanted, constant, constant.grid)
    # The grid of a bias is far finer than that of what it is added to.
    storage = constant.storage if constant.grid is None else FLOAT32
    return _holding(constant, wanted.astype(FLOATS[storage]), storage, None)


def _holding(constant: Constant, stored: Array, storage: str, grid: Grid | None) -> Constant:
    return replace(constant, storage=storage, read=lambda start, stop: stored[start:stop], grid=grid)


def _rounded(wanted: Array, constant: Constant, grid: Grid) -> Constant:
    low, high = _levels(constant)
    least, most = (_by_entry(wanted, grid, reduce).astype(np.float64) for reduce in (np.minimum, np.maximum))
    if constant.symmetric:
        scale = np.maximum(-least, most) / high
        zero = np.zeros_like(scale)
    else:
        least, most = np.minimum(least, 0), np.maximum(most, 0)
        scale = (most - least) / (high - low)
        zero = np.rint(low - least / np.where(scale == 0, 1, scale))
    whole = Grid(scale=np.where(scale == 0, 1, scale), zero=zero, block=grid.block)
    stored = np.empty(wanted.shape, np.int8)  # around the middle, so all types' levels are in it
    for start, stop in constant.slices():
        scales, zeros = (whole.rows(entries, start, stop, constant.shape) for entries in (whole.scale, whole.zero))
        stored[start:stop] = np.clip(np.rint(wanted[start:stop] / scales) + zeros, low, high)
    return _holding(constant, stored, INT8, whole)


def _levels(constant: Constant) -> tuple[int, int]:
    """The lowest and the highest level around the middle; of signed types the lowest one is not used, as usual."""
    low, high = SMALL_INTEGERS[constant.storage]
    centre = middle(constant.storage)
    reach = high - centre
    if constant.storage in (INT8, UINT8):
        used = constant.ends()
        reach = REDUCED if used[1] - used[0] <= 2 * REDUCED else reach
    return (-reach, reach) if constant.symmetric else (max(low - centre, -reach - 1), reach)


def _by_entry(values: Array, grid: Grid, reduce: np.ufunc) -> Array:
    """The least or the largest of the values that share an entry of the grid."""
    for axis, size in enumerate(grid.block):
        if size >= values.shape[axis]:  # not by `reduceat`, which takes five times as long
            values = reduce.reduce(values, axis, keepdims=True)
        elif size > 1:
            values = reduce.reduceat(values, np.arange(0, values.shape[axis], size), axis)
    return values
