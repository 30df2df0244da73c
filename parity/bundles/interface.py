"""What a converted file says of itself: inputs and outputs in the graph's order, and how its weights are stored."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from litert_pipeline import mlx_file
from litert_pipeline.model_file import require_model_file
from parity.bundles.constants import SMALL_INTEGERS, UINT4, UINT8, Constant
from parity.bundles.constants_litert import subgraph_constants
from parity.bundles.constants_mlx import mlx_constants
from parity.bundles.constants_onnx import onnx_constants
from parity.bundles.flatbuffer import litert_model, stored_buffers
from parity.bundles.purity import Operators, code_of, draws, litert_operators, onnx_operators
from parity.measure.arithmetic import FLOAT, FLOAT16, FLOAT32, INT4, INT8, STATIC
from reference.spec.errors import InputError

WEIGHT_BYTES = 1024  # constants below are shapes, scalars, biases and gains
SCALAR_BYTES = 32  # constants up to here are numbers of the graph itself
SCALAR_VALUES = SCALAR_BYTES // 4
DTYPES = {"FLOAT32": "float32", "FLOAT": "float32", "FLOAT16": "float16", "INT32": "int32", "INT64": "int64"}  # FLOAT: ONNX's
SMALL_WEIGHTS = {"INT8": "int8", "INT4": "int4", "FLOAT16": "float16"}
SMALL_SHARE = 0.25  # of all weights: recipes leave embeddings and transposed convolutions in float32
HALF_SHARE = 0.01  # a layer of a model is more, a bias less
BITS = {"float32": 32, "float16": 16, "int8": 8, "int4": 4}
SIGNED = {UINT8: INT8, UINT4: INT4}  # what is stored without a sign counts as what has one


@dataclass(frozen=True, kw_only=True)
class FileTensor:
    """An input or output. `name` is what runtimes know it by, `tensor_name` the graph's own; an axis may be open (None).

    `position` is its place among the graph's, `signed` that among the signature's, where there is one.
    """

    name: str
    tensor_name: str
    position: int
    index: int
    signed: int
    shape: tuple[int | None, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{self.name} {self.dtype}[{', '.join('?' if axis is None else str(axis) for axis in self.shape)}]"


@dataclass(frozen=True, kw_only=True)
class Interface:
    """A file's inputs and outputs. `weight_bytes`: by dtype; `unpacked`: small weights are widened before they are used; `fed`:
    how the layers that take small ones round their feed, where the file itself says so.

    `calibrated`: any layer rounds its feed to a range that was calibrated. `every_constant`: no constant is left in float32,
    biases and gains among them. `halves`: it is computed in float16, or a part of it that counts is. `grouped`: any matrix has a
    scale and an offset for each group of inputs. `drawn` is noise that the graph draws; `operators` are those that are not pure.
    `key` is the signature's, where there is one, and `subgraph` the one it runs.
    """

    path: Path
    format: str
    inputs: tuple[FileTensor, ...]
    outputs: tuple[FileTensor, ...]
    weight_bytes: Mapping[str, int] = field(default_factory=dict)
    unpacked: bool = False
    fed: str = ""
    calibrated: bool = False
    every_constant: bool = False
    halves: bool = False
    grouped: bool = False
    drawn: tuple[FileTensor, ...] = ()
    operators: Operators = field(default_factory=Operators)
    key: str = ""
    subgraph: int = 0

    @property
    def weights(self) -> str:
        """How most of the weights are stored: float32, float16, int8 or int4."""
        values = {dtype: 8 * size_bytes // BITS[dtype] for dtype, size_bytes in self.weight_bytes.items()}
        total = sum(values.values())
        for dtype in ("int4", "int8", "float16"):
            if total and values.get(dtype, 0) >= SMALL_SHARE * total:
                return dtype
        return "float32"


def read_interface(path: Path) -> Interface:
    """The first, most often only, interface of a file. Raises InputError as `read_interfaces`."""
    return read_interfaces(path)[0]


def read_interfaces(path: Path) -> tuple[Interface, ...]:
    """Read a file of a bundle without running it: one interface for each signature. Raises InputError for a damaged one."""
    require_model_file(path, READERS)
    return READERS[path.suffix](path)


def _litert(path: Path) -> tuple[Interface, ...]:
    with litert_model(path) as (model, schema):
        entries = [model.SignatureDefs(at) for at in range(model.SignatureDefsLength())] or [None]
        return tuple(_litert_interface(path, model, schema, entry) for entry in entries)


def _litert_interface(path: Path, model: Any, schema: Any, entry: Any) -> Interface:
    subgraph = entry.SubgraphIndex() if entry is not None else 0
    graph = model.Subgraphs(subgraph)
    codes = {value: name for name, value in vars(schema.TensorType).items() if not name.startswith("_")}

    def tensors(indices: list[int], named: Mapping[int, str]) -> tuple[FileTensor, ...]:
        found, signed = [], list(named)
        for position, index in enumerate(indices):
            tensor = graph.Tensors(index)
            name, code = tensor.Name().decode(), codes[tensor.Type()]
            found.append(
                FileTensor(
                    name=named.get(index, name),
                    tensor_name=name,
                    position=position,
                    index=index,
                    signed=signed.index(index) if index in named else position,
                    shape=tuple(int(tensor.Shape(axis)) for axis in range(tensor.ShapeLength())),
                    dtype=DTYPES.get(code, code.lower()),
                )
            )
        return tuple(found)

    inputs = [entry.Inputs(place) for place in range(entry.InputsLength())] if entry is not None else []
    outputs = [entry.Outputs(place) for place in range(entry.OutputsLength())] if entry is not None else []
    constants = stored_buffers(model, graph, codes)
    return Interface(
        path=path,
        format="litert",
        inputs=tensors([graph.Inputs(place) for place in range(graph.InputsLength())], _named(inputs)),
        outputs=tensors([graph.Outputs(place) for place in range(graph.OutputsLength())], _named(outputs)),
        weight_bytes=_litert_weights(constants),
        unpacked=_unpacked(model, graph, schema, {index for index, code, _ in constants if code == "INT8"}),
        calibrated=any(code.lower() in SMALL_INTEGERS for _, code, _ in constants)
        and _calibrated(subgraph_constants(path, model, schema, subgraph)),
        every_constant=not any(code == "FLOAT32" and size_bytes > SCALAR_BYTES for _, code, size_bytes in constants),
        drawn=tuple(replace(tensor, position=tensor.index) for tensor in tensors(draws(model, graph, schema), {})),
        operators=litert_operators(model, schema),
        key=entry.SignatureKey().decode() if entry is not None else "",
        subgraph=subgraph,
    )


def _named(entries: list[Any]) -> dict[int, str]:
    return {entry.TensorIndex(): entry.Name().decode() for entry in entries}


def _litert_weights(constants: list[tuple[int, str, int]]) -> dict[str, int]:
    """Bytes of the larger constants by dtype."""
    found: dict[str, int] = {}
    for _, code, size_bytes in constants:
        if size_bytes >= WEIGHT_BYTES:
            dtype = SMALL_WEIGHTS.get(code, "float32")
            found[dtype] = found.get(dtype, 0) + size_bytes
    return found


def _unpacked(model: Any, graph: Any, schema: Any, small: set[int]) -> bool:
    """Whether any of the INT8 constants goes through DEQUANTIZE."""
    operators = (graph.Operators(index) for index in range(graph.OperatorsLength()))
    widening = (operator for operator in operators if code_of(model, operator) == schema.BuiltinOperator.DEQUANTIZE)
    return any(operator.Inputs(0) in small for operator in widening)


def _mlx(path: Path) -> tuple[Interface]:
    """Weights alone: what is fed and answered the runtime's own code says, which widens what is small."""
    numbers = mlx_constants(path)
    found = Interface(
        path=path, format=mlx_file.MLX, inputs=(), outputs=(), weight_bytes=_bytes(numbers), fed=FLOAT,
        every_constant=_none_in_float32(numbers), grouped=any(constant.grid is not None for constant in numbers),
    )  # fmt: skip
    return (found,)


def _onnx(path: Path) -> tuple[Interface]:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, OSError, ValueError) as error:
        raise InputError(f"{path}: is a damaged ONNX model ({error}); copy or convert it again") from None
    constants = {entry.name for entry in model.graph.initializer}
    numbers = [constant for constant in onnx_constants(path) if constant.is_number and constant.count > 1]
    own = [entry for entry in model.graph.input if entry.name not in constants]
    found = Interface(
        path=path, format="onnx",
        inputs=tuple(_onnx_tensor(entry, place) for place, entry in enumerate(own)),
        outputs=tuple(_onnx_tensor(entry, place) for place, entry in enumerate(model.graph.output)),
        weight_bytes=_bytes(numbers), fed=_onnx_fed(numbers),
        calibrated=_calibrated(numbers),
        every_constant=_none_in_float32(numbers),
        halves=_halves(numbers),
        operators=onnx_operators(model),
    )
    return (found,)


def _bytes(numbers: list[Constant]) -> dict[str, int]:
    """Bytes of constants by dtype."""
    found: dict[str, int] = {}
    for constant in numbers:
        dtype = SIGNED.get(constant.storage, constant.storage)
        dtype = dtype if dtype in BITS else FLOAT32
        found[dtype] = found.get(dtype, 0) + constant.count * BITS[dtype] // 8
    return found


def _none_in_float32(numbers: list[Constant]) -> bool:
    return not any(constant.storage == FLOAT32 and constant.count > SCALAR_VALUES for constant in numbers)


def _calibrated(numbers: list[Constant]) -> bool:
    return any(constant.fed == STATIC for constant in numbers)


def _halves(numbers: list[Constant]) -> bool:
    """Whether float16 is computed with: numbers of a few values are not what a file's arithmetic is called after."""
    halves = sum(constant.count for constant in numbers if constant.storage == FLOAT16 and not constant.widened)
    return halves > HALF_SHARE * sum(constant.count for constant in numbers)


def _onnx_fed(numbers: list[Constant]) -> str:
    """How the layers of most small weights are fed."""
    values: Counter[str] = Counter()
    for constant in numbers:
        if constant.storage in SMALL_INTEGERS:
            values[constant.fed] += constant.count
    return values.most_common(1)[0][0] if values else FLOAT


def _onnx_tensor(entry: Any, position: int) -> FileTensor:
    import onnx

    tensor = entry.type.tensor_type
    code = onnx.TensorProto.DataType.Name(tensor.elem_type)
    return FileTensor(
        name=entry.name, tensor_name=entry.name, position=position, index=position, signed=position,
        shape=tuple(axis.dim_value or None for axis in tensor.shape.dim),
        dtype=DTYPES.get(code, code.lower()),
    )  # fmt: skip


READERS = {".tflite": _litert, ".onnx": _onnx, mlx_file.SUFFIX: _mlx}
