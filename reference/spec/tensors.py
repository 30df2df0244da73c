"""The tensors that cross a stage, described once: name, axes in order, dtype."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.spec.errors import InputError

Array = NDArray[Any]
Tensors = dict[str, Array]
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A named tensor. `axes` maps axis name to length, in order."""

    name: str
    axes: Mapping[str, int]
    dtype: str = "float32"

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.axes.values())

    def check(self, array: Array) -> Array:
        """Return `array` unchanged if it fits. Raises InputError naming axes and dtypes otherwise."""
        if array.shape != self.shape or array.dtype != np.dtype(self.dtype):
            raise InputError(f"tensor '{self.name}': found {array.dtype}{list(array.shape)}, expected {self}")
        return array

    def __str__(self) -> str:
        axes = ", ".join(f"{name}={length}" for name, length in self.axes.items())
        return f"{self.dtype}[{axes}]"


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What a stage takes and what it returns."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def same_tensors(self, other: "Signature") -> bool:
        """Whether both have the same tensors, whatever their order."""
        ours, theirs = ({t.name: (t.shape, t.dtype) for t in (*s.inputs, *s.outputs)} for s in (self, other))
        return ours == theirs

    def bind(self, feed: Mapping[str, Array]) -> Tensors:
        """The declared inputs of `feed`, each checked, in declared order; other entries are left aside."""
        missing = [tensor.name for tensor in self.inputs if tensor.name not in feed]
        if missing:
            raise InputError(f"input tensors {missing} are missing, got {sorted(feed)}")
        return {tensor.name: tensor.check(feed[tensor.name]) for tensor in self.inputs}


def in_float32(value: float) -> bool:
    """Whether a number is finite, and float32 holds it."""
    return abs(value) <= LARGEST


def finite_in_float32(array: Array) -> bool:
    """Whether all values of an array that is not empty are numbers, and not beyond those of float32."""
    # Both are NaN if any value is. Python's numbers, for numpy takes the bound to the array's type, where it may be infinite.
    return float(array.max()) <= LARGEST and float(array.min()) >= -LARGEST
