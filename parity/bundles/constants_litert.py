"""The constants of a `.tflite` file. Twin of `constants_onnx.py`.

Source of layouts: LiteRT's schema.fbs (INT4 packs the first of two values into the low half of a byte).
"""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from parity.bundles.constants import SMALL_INTEGERS, WIDE_INTEGERS, Constant, Consumer, Grid, grid_along
from parity.bundles.flatbuffer import litert_model
from parity.bundles.rotation_litert import Rotations
from parity.measure.arithmetic import FLOAT, FLOAT32, INT4, PER_ROW, PER_TENSOR, STATIC
from reference.spec.errors import InputError
from reference.spec.tensors import Array

DATA_FIELD = 4  # where Buffer's table says how far its data lies
STORED = {
    "FLOAT32": np.dtype("<f4"), "FLOAT16": np.dtype("<f2"), "INT8": np.dtype("i1"), "UINT8": np.dtype("u1"),
    "INT4": np.dtype("u1"), "INT32": np.dtype("<i4"), "INT64": np.dtype("<i8"), "INT16": np.dtype("<i2"), "BOOL": np.dtype("u1"),
}  # fmt: skip
# How XNNPACK rounds what a layer of these is fed where its weights are small integers and the feed is float. To it a convolution
# with a kernel of one place is a dense layer.
DYNAMIC = {
    "FULLY_CONNECTED": PER_ROW, "BATCH_MATMUL": PER_ROW, "CONV_2D": PER_TENSOR, "DEPTHWISE_CONV_2D": PER_TENSOR,
    "TRANSPOSE_CONV": PER_TENSOR,
}  # fmt: skip
# Operators that run other subgraphs.
CALLING = {
    "CALL", "CALL_ONCE", "IF", "WHILE", "STABLEHLO_CASE", "STABLEHLO_COMPOSITE", "STABLEHLO_REDUCE", "STABLEHLO_REDUCE_WINDOW",
    "STABLEHLO_SCATTER", "STABLEHLO_SORT", "STABLEHLO_WHILE",
}  # fmt: skip
FED_AT = {"TRANSPOSE_CONV": 2}  # which input is the feed; the first one, else


def litert_constants(path: Path, others: Collection[int] = ()) -> list[Constant]:
    """Every constant of what is run of the file, in its order, but for subgraphs that are `others`'. Raises InputError if it
    is no LiteRT model."""
    with litert_model(path) as (model, schema):
        run = _run(model, schema, others)
        return [constant for index in run for constant in subgraph_constants(path, model, schema, index)]


def subgraph_constants(path: Path, model: Any, schema: Any, index: int) -> list[Constant]:
    """Those of one subgraph of a model that is open. Raises InputError for a type of constant that is not known."""
    return _Graph(path, model, model.Subgraphs(index), schema).constants()


def _run(model: Any, schema: Any, others: Collection[int]) -> list[int]:
    """The subgraphs that may be run: those of signatures or, where any operator runs others, all. A converter leaves behind
    what it wrote for runtimes that lack an operator: for a random one, a draw."""
    everything = range(model.SubgraphsLength())
    names = _names(schema.BuiltinOperator)
    graphs = [model.Subgraphs(index) for index in everything]
    operators = (graph.Operators(at) for graph in graphs for at in range(graph.OperatorsLength()))
    codes = {operator.OpcodeIndex() for operator in operators}
    found = {names[max(int(code.BuiltinCode()), int(code.DeprecatedBuiltinCode()))] for code in map(model.OperatorCodes, codes)}
    if found & CALLING:
        return list(everything)
    signed = {model.SignatureDefs(at).SubgraphIndex() for at in range(model.SignatureDefsLength())}
    return sorted(({0} | signed).difference(others))


def constants_and_takers(
    path: Path, model: Any, schema: Any, index: int
) -> tuple[dict[int, Constant], Mapping[int, list[tuple[str, Any, int]]]]:
    """The constants of a subgraph of a model that is open, and of each of its tensors who takes it: operator's name, operator,
    as its which input; both by the tensor's index. Raises as `subgraph_constants`."""
    graph = _Graph(path, model, model.Subgraphs(index), schema)
    return graph.by_index(), graph.takers


class _Graph:
    """One subgraph while its file is open. Nothing of it is kept."""

    def __init__(self, path: Path, model: Any, graph: Any, schema: Any) -> None:
        self.path, self.model, self.graph = path, model, graph
        self.types = _names(schema.TensorType)
        operators = _names(schema.BuiltinOperator)
        self.takers: dict[int, list[tuple[str, Any, int]]] = defaultdict(list)
        makers: dict[int, tuple[str, Any]] = {}
        for index in range(graph.OperatorsLength()):
            operator = graph.Operators(index)
            code = model.OperatorCodes(operator.OpcodeIndex())
            name = operators[max(int(code.BuiltinCode()), int(code.DeprecatedBuiltinCode()))]
            for place in range(operator.InputsLength()):
                self.takers[operator.Inputs(place)].append((name, operator, place))
            for place in range(operator.OutputsLength()):
                makers[operator.Outputs(place)] = (name, operator)
        self.rotations = Rotations(model=model, takers=self.takers, makers=makers, matrix=self._matrix)

    def constants(self) -> list[Constant]:
        return list(self.by_index().values())

    def by_index(self) -> dict[int, Constant]:
        tables = {
            self._blockwise(index).Scales() for index in range(self.graph.TensorsLength()) if self._blockwise(index)
        }
        found = {index: self._constant(index) for index in range(self.graph.TensorsLength()) if index not in tables}
        return {index: constant for index, constant in found.items() if constant is not None}

    def _constant(self, index: int) -> Constant | None:
        tensor = self.graph.Tensors(index)
        place = self._place(tensor)
        if place is None:
            return None
        kind, shape = self.types[tensor.Type()], _shape(tensor)
        if kind not in STORED:
            name, known = tensor.Name().decode(), ", ".join(STORED)
            raise InputError(f"{self.path}: constant '{name}' is {kind}, expected one of {known}; convert it otherwise")
        takers, widened = self._consumers(index)
        storage = kind.lower()
        return Constant(
            name=tensor.Name().decode(),
            shape=shape,
            storage=storage,
            read=_reader(self.path, place, kind, shape),
            grid=self._grid(tensor, index, shape) if storage in (*SMALL_INTEGERS, *WIDE_INTEGERS) else None,
            consumers=tuple(Consumer(operator=name, place=at) for name, _, at in takers),
            fed=FLOAT if widened or storage not in SMALL_INTEGERS else self._fed(takers),
            widened=widened,
            rotated=self.rotations.of_weights(takers),
        )

    def _consumers(self, index: int) -> tuple[list[tuple[str, Any, int]], bool]:
        """Who takes a constant in the end, and whether that is a wider copy of it."""
        takers = self.takers[index]
        widening = [operator for name, operator, _ in takers if name == "DEQUANTIZE"]
        if not widening or len(widening) < len(takers):
            return takers, False
        return [taker for operator in widening for taker in self.takers[operator.Outputs(0)]], True

    def _fed(self, takers: list[tuple[str, Any, int]]) -> str:
        """How the first layer that takes it rounds its feed."""
        for name, operator, place in takers:
            if name in DYNAMIC:
                feed = self.types[self.graph.Tensors(operator.Inputs(FED_AT.get(name, 0))).Type()]
                dense = name == "CONV_2D" and _shape(self.graph.Tensors(operator.Inputs(place)))[1:3] == (1, 1)
                return STATIC if feed != "FLOAT32" else PER_ROW if dense else DYNAMIC[name]
        return FLOAT

    def _matrix(self, index: int) -> Array | None:
        """A square matrix of floats that is a constant; None for anything else."""
        tensor = self.graph.Tensors(index)
        kind, shape, place = self.types[tensor.Type()], _shape(tensor), self._place(tensor)
        if place is None or kind != "FLOAT32" or not shape or shape != 2 * shape[:1]:
            return None
        return _reader(self.path, place, kind, shape)(0, shape[0])

    def _place(self, tensor: Any) -> int | None:
        """Where in the file its data begins; None for what is no constant."""
        buffer = self.model.Buffers(tensor.Buffer())
        if buffer.DataLength():
            return int(buffer._tab.Vector(buffer._tab.Offset(DATA_FIELD)))
        return int(buffer.Offset()) if buffer.Size() else None

    def _blockwise(self, index: int) -> Any:
        """The details of a constant quantized in blocks, or None."""
        from ai_edge_litert import schema_py_generated as schema

        quantization = self.graph.Tensors(index).Quantization()
        if quantization is None or quantization.DetailsType() != schema.QuantizationDetails.BlockwiseQuantization:
            return None
        details = schema.BlockwiseQuantization()
        table = quantization.Details()
        details.Init(table.Bytes, table.Pos)
        return details

    def _grid(self, tensor: Any, index: int, shape: tuple[int, ...]) -> Grid | None:
        if (details := self._blockwise(index)) is not None:
            return self._blocks(details, shape)
        quantization = tensor.Quantization()
        if quantization is None or not quantization.ScaleLength():
            return None
        scale = quantization.ScaleAsNumpy().astype(np.float64)
        zero = quantization.ZeroPointAsNumpy() if quantization.ZeroPointLength() else np.zeros(1)
        return grid_along(scale, zero, shape, quantization.QuantizedDimension(), 0, FLOAT32)

    def _blocks(self, details: Any, shape: tuple[int, ...]) -> Grid:
        table = self.graph.Tensors(details.Scales())
        kind, place = self.types[table.Type()], self._place(table)
        assert place is not None, "scales are constants"
        size = details.BlockSize()
        along = (*shape[:-1], shape[-1] // size)
        entries = _read(self.path, place, STORED[kind], 0, math.prod(along)).astype(np.float64).reshape(along)
        return Grid(
            scale=entries, zero=np.zeros(along), block=(*(1,) * (len(shape) - 1), size), scale_dtype=kind.lower()
        )


def _names(enumeration: Any) -> Mapping[int, str]:
    return {value: name for name, value in vars(enumeration).items() if not name.startswith("_")}


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(int(tensor.Shape(axis)) for axis in range(tensor.ShapeLength()))


def _reader(path: Path, place: int, kind: str, shape: tuple[int, ...]) -> Callable[[int, int], Array]:
    read = _read_nibbles if kind.lower() == INT4 else partial(_read, dtype=STORED[kind])
    each = math.prod(shape[1:])

    def rows(start: int, stop: int) -> Array:
        wanted = (stop - start, *shape[1:]) if shape else ()
        values: Array = read(path, place, first=start * each, count=(stop - start) * each)
        return values.reshape(wanted)

    return rows


def _read(path: Path, place: int, dtype: Any, first: int, count: int) -> Array:
    return np.fromfile(path, dtype=dtype, count=count, offset=place + first * dtype.itemsize)


def _read_nibbles(path: Path, place: int, first: int, count: int) -> Array:
    """Signed halves of bytes, the low one first."""
    begin = first // 2
    packed = np.fromfile(path, dtype=np.uint8, count=(first + count + 1) // 2 - begin, offset=place + begin)
    both = np.stack([packed & 15, packed >> 4], axis=-1).reshape(-1).astype(np.int8)
    return (((both + 8) & 15) - 8)[first - 2 * begin :][:count]
