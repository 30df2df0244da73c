"""The checkpoint's weights as a file stores its own: as many bits, as many values to a scale, zero where the file has it.

Of the file's numbers nothing is taken but which levels are used, only how it stores them. So a reference that holds these weights
errs as much as the file has to, layer by layer, and says nothing about whether the file is right.
"""

import numpy as np
import torch
from torch import Tensor

from parity.bundles.constants import FLOATS, SMALL_INTEGERS, UINT8, Constant, Grid, middle
from parity.bundles.matching import Match
from parity.measure.arithmetic import INT8
from reference.spec.tensors import Array

REDUCED = 64  # levels at either side: where a tool leaves a bit free, for processors whose products of 8 bits overflow


def requantized(match: Match) -> Tensor:
    """What a constant would hold if the nearest value of a plain grid of its kind were taken, in its own shape."""
    constant = match.constant
    wanted = match.expected().reshape(constant.shape).double().numpy()
    if constant.grid is None:
        found = wanted.astype(FLOATS[constant.storage])
    elif constant.storage in SMALL_INTEGERS:
        found = _rounded(wanted, constant, constant.grid)
    else:
        found = wanted  # of a bias, whose grid is far finer than that of what it is added to
    return torch.from_numpy(found.astype(np.float32))


def _rounded(wanted: Array, constant: Constant, grid: Grid) -> Array:
    low, high = _levels(constant)
    least, most = (_by_entry(wanted, grid, reduce) for reduce in (np.minimum, np.maximum))
    if constant.symmetric:
        scale = np.maximum(-least, most) / high
        zero = np.zeros_like(scale)
    else:
        least, most = np.minimum(least, 0), np.maximum(most, 0)
        scale = (most - least) / (high - low)
        zero = np.rint(low - least / np.where(scale == 0, 1, scale))
    scale = np.where(scale == 0, 1, scale)
    whole = Grid(scale=scale, zero=zero, block=grid.block)
    scales, zeros = (whole.rows(entries, 0, wanted.shape[0], wanted.shape) for entries in (scale, zero))
    found: Array = (np.clip(np.rint(wanted / scales) + zeros, low, high) - zeros) * scales
    return found


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
        values = reduce.reduceat(values, np.arange(0, values.shape[axis], size), axis=axis)
    return values
