"""How a converter lays a tensor of the model out in a file: axes permuted, merged, reversed, or a part of it only."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from torch import Tensor

from parity.bundles.constants import Constant
from reference.spec.tensors import Array

MOST_AXES = 4  # that are longer than 1


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What is done to a tensor of the model: axes of 1 dropped, `order` of those left, reversal of `reverse`, of the axis
    `along` only `start` to `stop`."""

    order: tuple[int, ...]
    reverse: tuple[int, ...] = ()
    along: int = 0
    start: int = 0
    stop: int | None = None

    def arranged(self, value: Tensor) -> Tensor:
        """The tensor as the file has it, but for how axes are merged and where axes of 1 stand. A view, unless reversed."""
        found = value.squeeze().permute(self.order)
        if self.reverse:
            found = found.flip(self.reverse)
        return found if self.stop is None else found.narrow(self.along, self.start, self.stop - self.start)

    def restored(self, values: Tensor, like: Tensor) -> Tensor:
        """The file's values in the place of the tensor's own. A copy of `like` where only a part of it is given."""
        whole = like.squeeze().permute(self.order)
        if self.stop is None:
            back = values.reshape(whole.shape)
        else:
            back = (whole.flip(self.reverse) if self.reverse else whole).clone()
            part = back.narrow(self.along, self.start, self.stop - self.start)
            part.copy_(values.reshape(part.shape))
        back = back.flip(self.reverse) if self.reverse else back
        inverse = [self.order.index(axis) for axis in range(len(self.order))]
        return back.permute(inverse).reshape(like.shape)

    def coordinates(self, axes: tuple[int, ...], places: Array) -> tuple[Array, ...]:
        """Where in a tensor of `axes` (none of them 1) the values stand that the file has at `places`, counted in its order."""
        arranged = [axes[axis] for axis in self.order]
        if self.stop is not None:
            arranged[self.along] = self.stop - self.start
        found = [np.zeros(0, np.int64)] * len(axes)
        for at, (axis, index) in enumerate(zip(self.order, np.unravel_index(places, arranged), strict=True)):
            index = index + self.start if self.stop is not None and at == self.along else index
            found[axis] = axes[axis] - 1 - index if at in self.reverse else index
        return tuple(found)


def layouts(axes: tuple[int, ...], constant: Constant) -> Iterator[Layout]:
    """Every way in which a constant of this shape may be all of a tensor of `axes` (none of them 1), the plainest first."""
    if math.prod(axes) != constant.count or len(axes) > MOST_AXES:
        return
    for order in permutations(range(len(axes))):
        if _merges([axes[axis] for axis in order], constant.essential):
            yield Layout(order=order)


def reversed_layouts(axes: tuple[int, ...], constant: Constant) -> Iterator[Layout]:
    """The same for kernels that run backwards, as those of transposed convolutions may."""
    for layout in layouts(axes, constant):
        if len(axes) > 2:
            yield Layout(order=layout.order, reverse=(layout.order.index(len(axes) - 1),))


def part_layouts(axes: tuple[int, ...], constant: Constant) -> Iterator[Layout]:
    """Every way in which the constant may be an even part of a tensor, as queries are of a packed projection."""
    whole = math.prod(axes)
    if not 1 <= len(axes) <= MOST_AXES or not constant.count < whole or whole % constant.count:
        return
    parts = whole // constant.count
    for order in permutations(range(len(axes))):
        for along, axis in enumerate(order):
            each = axes[axis] // parts
            if axes[axis] % parts == 0 and each > 1:
                shape = [each if other == axis else axes[other] for other in order]
                if _merges(shape, constant.essential):
                    starts = range(0, axes[axis], each)
                    yield from (Layout(order=order, along=along, start=start, stop=start + each) for start in starts)


def _merges(axes: list[int], merged: tuple[int, ...]) -> bool:
    """Whether neighbours among `axes` can be merged, or split, to give `merged`."""
    return _boundaries(axes) >= _boundaries(merged) or _boundaries(axes) <= _boundaries(merged)


def _boundaries(axes: list[int] | tuple[int, ...]) -> set[int]:
    """Where axes end, counted in values from the innermost one."""
    found, inner = set(), 1
    for axis in reversed(axes):
        inner *= axis
        found.add(inner)
    return found
