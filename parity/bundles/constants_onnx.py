"""The constants of an `.onnx` file, external data among them. Twin of `constants_litert.py`.

Sources: the ONNX operators DequantizeLinear and MatMulInteger, and ONNX Runtime's ContribOperators.md for MatMulNBits,
DynamicQuantizeMatMul and MatMulIntegerToFloat.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parity.bundles.constants import (
    FLOATS,
    SMALL_INTEGERS,
    UINT4,
    UINT8,
    WIDE_INTEGERS,
    Constant,
    Consumer,
    Grid,
    grid_along,
)
from parity.bundles.onnx_data import (
    ACCURACY_INT8,
    BIASES,
    CALIBRATED,
    INTEGER_PRODUCTS,
    NIBBLES,
    OUTPUT_AXIS,
    PASSED_ON,
    attribute,
    constant_value,
    halves,
    helpers_of,
    input_of,
    number,
    rows_of,
    storage_of,
)
from parity.measure.arithmetic import FLOAT, FLOAT32, PER_BLOCK, PER_TENSOR, STATIC
from reference.spec.errors import InputError
from reference.spec.tensors import Array


def onnx_constants(path: Path, others: Collection[int] = ()) -> list[Constant]:
    """Every constant of the file's main graph, initializers first; there is no graph beside it that could be `others`'. Raises
    InputError if it is no ONNX model, or if its external data is missing or cut short."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, OSError, ValueError) as error:
        raise InputError(f"{path}: is a damaged ONNX model ({error}); copy or convert it again") from None
    return _Graph(path, model.graph).constants()


@dataclass(frozen=True, kw_only=True)
class _Taker:
    """A node that takes a tensor, and as its which input."""

    node: Any
    place: int


class _Graph:
    """The graph of a file: who makes a tensor, who takes it, which are constants."""

    def __init__(self, path: Path, graph: Any) -> None:
        self.path = path
        self.protos = {entry.name: entry for entry in graph.initializer}
        self.protos |= {node.output[0]: value for node in graph.node if (value := constant_value(node)) is not None}
        self.makers = {name: node for node in graph.node for name in node.output}
        self.takers: dict[str, list[_Taker]] = defaultdict(list)
        for node in graph.node:
            for place, name in enumerate(node.input):
                self.takers[name].append(_Taker(node=node, place=place))

    def constants(self) -> list[Constant]:
        grids = {name: found for name in self.protos if (found := self._gridded(name)) is not None}
        helpers = {helper for found in grids.values() for helper in found.helpers}
        return [grids[name].constant if name in grids else self._plain(name) for name in self.protos if name not in helpers]

    def _plain(self, name: str) -> Constant:
        """A constant without a grid of its own."""
        proto = self.protos[name]
        takers = list(self._final(name))
        narrow = storage_of(proto) in FLOATS and storage_of(proto) != FLOAT32
        return Constant(
            name=name,
            shape=tuple(proto.dims),
            storage=storage_of(proto),
            read=rows_of(self.path, proto, tuple(proto.dims)),
            consumers=_consumers(takers),
            widened=narrow and all(taker.node.op_type == "Cast" for taker in self.takers[name]),
        )

    def _gridded(self, name: str) -> "_Gridded | None":
        if storage_of(self.protos[name]) not in (*SMALL_INTEGERS, *WIDE_INTEGERS):
            return None
        for taker in self._handed(name):
            operator = taker.node.op_type
            if operator == "DequantizeLinear" and taker.place == 0:
                return self._dequantized(name, taker.node)
            if operator == "MatMulNBits" and taker.place == 1:
                return self._packed(name, taker.node)
            if operator in INTEGER_PRODUCTS and taker.place == INTEGER_PRODUCTS[operator][0]:
                return self._multiplied(name, taker.node)
            if operator in BIASES and taker.place == BIASES[operator]:
                return self._added(name, taker.node)
        return None

    def _dequantized(self, name: str, node: Any) -> "_Gridded":
        """Behind DequantizeLinear: one scale, one per entry of an axis, or one per block of it."""
        shape = tuple(self.protos[name].dims)
        size, axis = attribute(node, "block_size", 0), attribute(node, "axis", 1)
        takers = list(self._final(node.output[0]))
        grid = self._grid(input_of(node, 1), input_of(node, 2), shape, axis % max(len(shape), 1), size)
        packed = size and storage_of(self.protos[name]) in NIBBLES and all(taker.node.op_type == "MatMul" for taker in takers)
        fed = PER_BLOCK if packed else self._fed_calibrated(takers)  # ONNX Runtime makes MatMulNBits of it, fed so
        return self._finish(name, node, grid, takers, fed, widened=True)

    def _fed_calibrated(self, takers: list[_Taker]) -> str:
        """Whether the layers' feed comes from a DequantizeLinear, too."""
        feeds = [taker.node.input[0] for taker in takers if taker.place > 0]
        makers = [self.makers.get(feed) for feed in feeds]
        return STATIC if makers and all(m is not None and m.op_type == "DequantizeLinear" for m in makers) else FLOAT

    def _multiplied(self, name: str, node: Any) -> "_Gridded | None":
        """Weights of a product of integers."""
        _, scale_at, zero_at = INTEGER_PRODUCTS[node.op_type]
        scale = self._scale_behind(node) if scale_at is None else input_of(node, scale_at)
        if scale not in self.protos:
            return None
        shape = tuple(self.protos[name].dims)
        turned = attribute(node, "transB", 0)  # (output, input), as a layer's weights are in the model
        axis = 0 if turned else OUTPUT_AXIS.get(node.op_type, len(shape) - 1)
        fed = STATIC if node.op_type in CALIBRATED else PER_TENSOR
        grid = self._grid(scale, input_of(node, zero_at), shape, axis, 0)
        taker = _Taker(node=node, place=INTEGER_PRODUCTS[node.op_type][0])
        return self._finish(name, node, grid, [taker], fed, widened=False)

    def _added(self, name: str, node: Any) -> "_Gridded":
        """A bias that is added to a sum of products of integers: its steps are those of the products."""
        step = self._array(node.input[1]).reshape(()) * self._array(node.input[4]).astype(np.float64)
        step = number(node, "alpha", 1.0) * step
        shape = tuple(self.protos[name].dims)
        grid = grid_along(step, np.zeros(1), shape, len(shape) - 1, 0, FLOAT32)
        return self._finish(name, node, grid, [_Taker(node=node, place=BIASES[node.op_type])], FLOAT, widened=True)

    def _scale_behind(self, node: Any) -> str:
        """The constant among what the product's sum is multiplied with later: the feed's scale times the weights'."""
        waiting, seen = [node.output[0]], 0
        while waiting and seen < 4:  # Cast, Mul
            seen += 1
            for taker in self.takers[waiting.pop(0)]:
                if taker.node.op_type == "Mul":
                    return self._scale_of(taker.node.input[1 - taker.place])
                if taker.node.op_type in PASSED_ON:
                    waiting.append(taker.node.output[0])
        return ""

    def _scale_of(self, name: str) -> str:
        if name in self.protos:
            return name
        maker = self.makers.get(name)
        factors = maker.input if maker is not None and maker.op_type == "Mul" else ()
        return next((factor for factor in factors if factor in self.protos), "")

    def _packed(self, name: str, node: Any) -> "_Gridded":
        """MatMulNBits: (out, block, packed bytes), which stand for a matrix (out, in)."""
        bits, size = attribute(node, "bits", 4), attribute(node, "block_size", 32)
        out, width = attribute(node, "N", 0), attribute(node, "K", 0)
        storage, blocks = {4: UINT4, 8: UINT8}.get(bits, f"uint{bits}"), -(-width // size)
        if storage not in SMALL_INTEGERS:
            raise InputError(f"{self.path}: {name} is packed in {bits} bits, expected 4 or 8; convert it again")
        scale = self._array(input_of(node, 2)).astype(np.float64).reshape(out, blocks)
        zero = self._zeros_packed(input_of(node, 3), bits, (out, blocks))
        stored = rows_of(self.path, self.protos[name], (out, math.prod(tuple(self.protos[name].dims)[1:])))
        fed = PER_BLOCK if attribute(node, "accuracy_level", 0) == ACCURACY_INT8 else FLOAT
        constant = Constant(
            name=name, shape=(out, width), storage=storage,
            read=lambda start, stop: halves(stored(start, stop), bits)[:, :width],
            grid=Grid(scale=scale, zero=zero, block=(1, size), scale_dtype=storage_of(self.protos[input_of(node, 2)])),
            consumers=(Consumer(operator=node.op_type, place=1),), fed=fed,
        )  # fmt: skip
        return _Gridded(constant=constant, helpers=helpers_of(node, (2, 3)))

    def _zeros_packed(self, name: str, bits: int, shape: tuple[int, int]) -> Array:
        if not name:
            return np.full(shape, float(2 ** (bits - 1)))
        table = self._array(name)
        if table.dtype != np.uint8:
            return table.astype(np.float64).reshape(shape)
        return halves(table.reshape(shape[0], -1), bits)[:, : shape[1]].astype(np.float64)

    def _grid(self, scale: str, zero: str, shape: tuple[int, ...], axis: int, size: int) -> Grid:
        zeros, scales = self._array(zero) if zero else np.zeros(1), self._array(scale)
        return grid_along(scales, zeros, shape, axis, size, storage_of(self.protos[scale]))

    def _finish(self, name: str, node: Any, grid: Grid, takers: list[_Taker], fed: str, *, widened: bool) -> "_Gridded":
        proto = self.protos[name]
        other = [INTEGER_PRODUCTS[node.op_type][0], BIASES.get(node.op_type)] if node.op_type in INTEGER_PRODUCTS else []
        places = [place for place in range(1, len(node.input)) if place not in other]
        scales = [place for place in places if node.input[place] in self.protos and node.input[place] != name]
        helpers = {*helpers_of(node, scales), *([self._scale_behind(node)] if node.op_type in INTEGER_PRODUCTS else [])}
        constant = Constant(
            name=name, shape=tuple(proto.dims), storage=storage_of(proto), read=rows_of(self.path, proto, tuple(proto.dims)),
            grid=grid, consumers=_consumers(takers), fed=fed, widened=widened,
        )  # fmt: skip
        return _Gridded(constant=constant, helpers=frozenset(helpers - {""}))

    def _handed(self, name: str) -> Iterator[_Taker]:
        """Who takes a constant, or rows of it that a table's reader picked."""
        for taker in self.takers[name]:
            yield taker
            if taker.node.op_type == "Gather" and taker.place == 0:
                yield from self.takers[taker.node.output[0]]

    def _final(self, name: str) -> Iterator[_Taker]:
        """Who takes a tensor in the end, through nodes that only hand it over."""
        for taker in self.takers[name]:
            if taker.node.op_type in PASSED_ON and taker.place == 0:
                yield from self._final(taker.node.output[0])
            else:
                yield taker

    def _array(self, name: str) -> Array:
        """A small constant, whole. Raises InputError if it is none."""
        if name not in self.protos:
            raise InputError(f"{self.path}: '{name}' is a scale or zero point and no constant; store its value in the file")
        proto = self.protos[name]
        shape = tuple(proto.dims)
        return rows_of(self.path, proto, shape)(0, shape[0] if shape else 1)


@dataclass(frozen=True, kw_only=True)
class _Gridded:
    """A constant on a grid, and the constants that describe the grid."""

    constant: Constant
    helpers: frozenset[str]


def _consumers(takers: list[_Taker]) -> tuple[Consumer, ...]:
    return tuple(Consumer(operator=taker.node.op_type, place=taker.place) for taker in takers)
