"""An ONNX graph of calibrated integers without the rounding of what flows through it: the same weights, the same operators.

What static quantization rounds in between follows from ranges that nobody can check from outside. Without it the graph is one
of floats, and answers like the reference that holds its weights, or is another graph.

Sources: the ONNX operators QuantizeLinear, DequantizeLinear, QLinearMatMul and QLinearConv; of QGemm, ONNX Runtime's
ContribOperators.md.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from parity.bundles.constants import grid_along
from parity.bundles.onnx_data import attribute, constant_value, input_of, number, rounds_its_feed
from parity.measure.arithmetic import FLOAT32
from reference.spec.tensors import Array

QUANTIZE, DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"
# Rearrange what they are given, so it does not matter on which side of them it is rounded.
REARRANGING = ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Split", "Concat", "Flatten", "Identity", "Expand")


@dataclass(frozen=True, kw_only=True)
class Product:
    """A product of integers, as the same product of floats: `axis` of the weights' scales; `bias`: which input, if any."""

    plain: str
    axis: int
    output: int
    bias: int | None = None


PRODUCTS = {
    "QLinearMatMul": Product(plain="MatMul", axis=-1, output=6),
    "QLinearConv": Product(plain="Conv", axis=0, output=6, bias=8),
    "QGemm": Product(plain="Gemm", axis=-1, output=7, bias=6),
}


def write_unrounded(path: Path, target: Path) -> bool:
    """Write the graph of `path` without rounding in between. False where something in it is not known well enough for that."""
    import onnx

    model = onnx.load(path)
    protos = {entry.name: entry for entry in model.graph.initializer}
    protos |= {node.output[0]: value for node in model.graph.node if (value := constant_value(node)) is not None}
    graph = _Graph(constants={name: onnx.numpy_helper.to_array(proto) for name, proto in protos.items()})
    nodes = graph.passed([plain for node in model.graph.node for plain in graph.plain(node)])
    if nodes is None or any(map(rounds_its_feed, nodes)):
        return False
    del model.graph.node[:], model.graph.value_info[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in graph.added.items())
    onnx.save(model, target)
    return True


@dataclass
class _Graph:
    """The constants of a graph by name, and those `added` to it."""

    constants: Mapping[str, Array]
    added: dict[str, Array] = field(default_factory=dict)

    def plain(self, node: Any) -> Iterator[Any]:
        """A node or, of a product of integers, the same product of floats between what turns one into the other."""
        from onnx import helper

        product = PRODUCTS.get(node.op_type)
        if product is None:
            yield node
            return
        own = node.output[0]
        attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
        axis = 0 if attributes.get("transB") else product.axis
        made = [f"{own}/{place}" for place in range(3)]
        yield helper.make_node(DEQUANTIZE, list(node.input[:3]), made[:1])
        yield helper.make_node(DEQUANTIZE, list(node.input[3:6]), made[1:2], axis=axis)
        if product.bias is None or not input_of(node, product.bias):
            made.pop()
        else:
            step = self._kept(f"{own}/step", number(node, "alpha", 1.0) * self._array(node, 1) * self._array(node, 4))
            yield helper.make_node(DEQUANTIZE, [node.input[product.bias], step], made[2:], axis=0)
        if not input_of(node, product.output):
            yield helper.make_node(product.plain, made, [own], **attributes)
            return
        yield helper.make_node(product.plain, made, [f"{own}/float"], **attributes)
        yield helper.make_node(QUANTIZE, [f"{own}/float", *node.input[product.output : product.output + 2]], [own])

    def passed(self, nodes: list[Any]) -> list[Any] | None:
        """The nodes without the rounding between a number that becomes an integer and the same one that becomes a float again."""
        from onnx import helper

        makers = {name: node for node in nodes for name in node.output}
        found: list[Any] = []
        for node in nodes:
            if node.op_type == QUANTIZE:
                found.append(helper.make_node("Identity", node.input[:1], node.output))
            elif node.op_type == DEQUANTIZE and node.input[0] in self.constants:
                self._kept(node.output[0], self._dequantized(node))  # else the runtime may make a product of integers of it
            elif node.op_type == DEQUANTIZE:
                grids = self._sources(node.input[0], makers)
                if grids is None or len({repr(grid) for grid in grids}) != 1:
                    return None
                read = self._grid(node)
                if read is None:
                    return None
                found += self._read_back(node, grids[0], read)
            else:
                found.append(node)
        return found

    def _dequantized(self, node: Any) -> Array:
        """The values of a constant."""
        stored, scale = self._array(node, 0), self._array(node, 1)
        zero = self._array(node, 2) if input_of(node, 2) else np.zeros(1)
        axis, size = attribute(node, "axis", 1) % max(stored.ndim, 1), attribute(node, "block_size", 0)
        grid = grid_along(scale, zero, stored.shape, axis, size, FLOAT32)
        rows = stored.shape[0] if stored.ndim else 1
        scales, zeros = (grid.rows(entries, 0, rows, stored.shape) for entries in (grid.scale, grid.zero))
        found: Array = ((stored.astype(np.float64) - zeros) * scales).astype(np.float32)
        return found

    def _sources(self, name: str, makers: Mapping[str, Any]) -> list[tuple[float, float]] | None:
        """(scale, zero) of all that became the integers of a tensor; None where they come from elsewhere."""
        maker = makers.get(name)
        if maker is None:
            return None
        if maker.op_type == QUANTIZE:
            grid = self._grid(maker)
            return None if grid is None else [grid]
        if maker.op_type not in REARRANGING:
            return None
        several = maker.input if maker.op_type == "Concat" else maker.input[:1]
        found = [self._sources(entry, makers) for entry in several]
        return None if None in found else [grid for grids in found if grids for grid in grids]

    def _grid(self, node: Any) -> tuple[float, float] | None:
        """(scale, zero) of a node that quantizes or dequantizes with one of each."""
        scale = self.constants.get(input_of(node, 1))
        zero = self.constants.get(input_of(node, 2), np.zeros(()))
        return None if scale is None or scale.size != 1 or zero.size != 1 else (float(scale.item()), float(zero.item()))

    def _read_back(self, node: Any, became: tuple[float, float], own: tuple[float, float]) -> list[Any]:
        """What a tensor that is read on another grid than it was written on is: moved, if it is not the same."""
        from onnx import helper

        if own == became:
            return [helper.make_node("Identity", node.input[:1], node.output)]
        name = node.output[0]
        factor = self._kept(f"{name}/factor", np.array(own[0] / became[0], np.float32))
        offset = self._kept(f"{name}/offset", np.array((became[1] - own[1]) * own[0], np.float32))
        return [
            helper.make_node("Mul", [node.input[0], factor], [f"{name}/moved"]),
            helper.make_node("Add", [f"{name}/moved", offset], [name]),
        ]

    def _array(self, node: Any, place: int) -> Array:
        name = node.input[place]
        return self.constants[name] if name in self.constants else self.added[name]

    def _kept(self, name: str, array: Array) -> str:
        self.added[name] = array
        return name
