"""The constants of a converted file: what is stored, on which grid, and which operators take it.

Values are read row by row when they are asked for, so that a file of any size needs the memory of a few rows.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.measure.arithmetic import FLOAT, FLOAT16, FLOAT32, INT4, INT8
from reference.spec.tensors import Array

UINT8, UINT4 = "uint8", "uint4"
SMALL_INTEGERS = {INT8: (-128, 127), INT4: (-8, 7), UINT8: (0, 255), UINT4: (0, 15)}  # lowest and highest level
WIDE_INTEGERS = ("int16", "int32")  # on a grid where they are biases; shapes and indices, else
FLOATS: Mapping[str, type[np.floating[Any]]] = {FLOAT32: np.float32, FLOAT16: np.float16, "float64": np.float64}
SLICE_VALUES = 2**18  # 2 MB of float64, which stay in a core's cache


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Where a quantized constant's values may lie: (level - zero) * scale.

    `scale` and `zero` have one axis per axis of the constant; `block` says how many values along each axis share an entry.
    """

    scale: Array
    zero: Array
    block: tuple[int, ...]
    scale_dtype: str = FLOAT32

    def rows(self, entries: Array, start: int, stop: int, shape: tuple[int, ...]) -> Array:
        """`scale` or `zero` beside rows [start, stop) of a constant of `shape`; 1 long along an axis that shares one entry."""
        if not shape:
            return entries.reshape(())
        for axis, (block, length) in enumerate(zip(self.block, shape, strict=True)):
            if entries.shape[axis] > 1:
                places = np.arange(start, stop) if axis == 0 else np.arange(length)
                entries = entries.take(places // block, axis)
        return entries


def grid_along(scale: Array, zero: Array, shape: tuple[int, ...], axis: int, size: int, dtype: str) -> Grid:
    """The grid of a constant of `shape` whose scales, if they are several, stand along an axis: one for each entry or, with a
    `size`, for each block of so many. `zero` is one number or as many as there are scales."""
    entries = scale.astype(np.float64)
    several = entries.size > 1
    if size:
        block, along = tuple(size if at == axis else 1 for at in range(len(shape))), entries.shape
    else:
        block = tuple(1 if at == axis and several else length for at, length in enumerate(shape))
        along = tuple(entries.size if at == axis and several else 1 for at in range(len(shape)))
    zeros = np.broadcast_to(zero.astype(np.float64).reshape(-1), (entries.size,))
    return Grid(scale=entries.reshape(along), zero=zeros.reshape(along), block=block, scale_dtype=dtype)


@dataclass(frozen=True, kw_only=True)
class Consumer:
    """An operator that takes a constant, and as its which input."""

    operator: str
    place: int


@dataclass(frozen=True, kw_only=True)
class Constant:
    """A constant as it is stored. `read(start, stop)` gives stored rows along the first axis, levels where there is a `grid`.

    `fed`: how the layer that takes it rounds what it is fed. `widened`: it is turned into floats before it is used. `rotated`:
    so many values of its last axis at a time stand multiplied with a Hadamard matrix, as the layer's feed does; 0: as they are.
    """

    name: str
    shape: tuple[int, ...]
    storage: str
    read: Callable[[int, int], Array]
    grid: Grid | None = None
    consumers: tuple[Consumer, ...] = ()
    fed: str = FLOAT
    widened: bool = False
    rotated: int = 0

    @property
    def count(self) -> int:
        """How many values it has."""
        return math.prod(self.shape)

    @property
    def essential(self) -> tuple[int, ...]:
        """Its axes that are not 1 long."""
        return tuple(axis for axis in self.shape if axis != 1)

    @property
    def is_number(self) -> bool:
        """Whether it holds real numbers, not shapes, indices or flags."""
        return self.storage in FLOATS or self.storage in SMALL_INTEGERS or self.grid is not None

    @property
    def granularity(self) -> str:
        """What shares a scale: "tensor", "channel", or "block of N"."""
        if self.grid is None:
            return "-"
        several = [axis for axis, entries in enumerate(self.grid.scale.shape) if entries > 1]
        blocks = [self.grid.block[axis] for axis in several if self.grid.block[axis] > 1]
        return f"block of {blocks[0]}" if blocks else "channel" if several else "tensor"

    @property
    def symmetric(self) -> bool:
        """Whether zero lies in the middle of its levels."""
        return self.grid is None or bool(np.all(self.grid.zero == middle(self.storage)))

    def rows(self, start: int, stop: int) -> tuple[Array, Array]:
        """Values of rows [start, stop) in float64, and the distance of neighbouring values of the grid there."""
        stored = self.read(start, stop)
        if self.storage not in FLOATS and self.grid is None:
            return stored.astype(np.float64), np.ones(stored.shape)
        if self.grid is None:
            return stored.astype(np.float64), spacing(stored, self.storage)
        scale = self.grid.rows(self.grid.scale, start, stop, self.shape)
        zero = self.grid.rows(self.grid.zero, start, stop, self.shape)
        return (stored.astype(np.float64) - zero) * scale, np.broadcast_to(np.abs(scale), stored.shape)

    def ends(self) -> tuple[int, int]:
        """The lowest and the highest level that is used."""
        stored = [self.read(*part) for part in self.slices()]
        return min(int(part.min()) for part in stored), max(int(part.max()) for part in stored)

    def slices(self) -> Iterator[tuple[int, int]]:
        """All rows, in slices of about `SLICE_VALUES`."""
        rows = self.shape[0] if self.shape else 1
        each = max(1, SLICE_VALUES // max(1, self.count // max(rows, 1)))
        yield from ((start, min(start + each, rows)) for start in range(0, rows, each))

    def values(self) -> Array:
        """All of it, dequantized, in float32."""
        found = np.empty(self.shape or 1, np.float32)
        for start, stop in self.slices():
            found[start:stop] = self.rows(start, stop)[0]
        return found.reshape(self.shape)


def spacing(values: Array, storage: str) -> Array:
    """The distance of neighbouring floats of dtype `storage` at each value, in float64; of the largest, to the one below it."""
    kind = FLOATS[storage]
    inner = np.nextafter(np.finfo(kind).max, kind(0))
    with np.errstate(invalid="ignore"):
        found: Array = np.spacing(np.minimum(np.abs(values).astype(kind), inner)).astype(np.float64)
    return found


def middle(storage: str) -> int:
    """The level in the middle of those of a type."""
    low, high = SMALL_INTEGERS.get(storage, (-1, 0))
    return (low + high + 1) // 2
