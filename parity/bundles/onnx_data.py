"""What `.onnx` files store, in the file itself or beside it, read in slices; and what nodes are given."""

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from parity.bundles.constants import UINT4
from parity.measure.arithmetic import FLOAT32, INT4
from reference.spec.errors import InputError
from reference.spec.tensors import Array

NIBBLES = (INT4, UINT4)
PASSED_ON = (
    "Cast",
    "Transpose",
    "Reshape",
    "Squeeze",
    "Unsqueeze",
    "Identity",
)  # hand a constant over as another tensor
# Where an operator that multiplies integers takes weights, their scale, their zero point; a scale of None is multiplied later.
INTEGER_PRODUCTS: dict[str, tuple[int, int | None, int]] = {
    "MatMulInteger": (1, None, 3),
    "ConvInteger": (1, None, 3),
    "DynamicQuantizeMatMul": (1, 2, 3),
    "MatMulIntegerToFloat": (1, 3, 5),
    "QLinearMatMul": (3, 4, 5),
    "QLinearConv": (3, 4, 5),
    "QGemm": (3, 4, 5),
}
# Where these take a bias: in steps of their products, or as floats.
BIASES = {"QGemm": 6, "QLinearConv": 8, "DynamicQuantizeMatMul": 4, "MatMulIntegerToFloat": 6}
CALIBRATED = ("QLinearMatMul", "QLinearConv", "QGemm")
OUTPUT_AXIS = {"ConvInteger": 0, "QLinearConv": 0}  # of the weights; the last one, else
ACCURACY_INT8 = 4  # MatMulNBits: its feed is rounded to INT8, block by block


def rows_of(path: Path, proto: Any, shape: tuple[int, ...]) -> Callable[[int, int], Array]:
    """Reads rows [start, stop) of a tensor of `path`, taken as one of `shape`."""
    storage, each = storage_of(proto), math.prod(shape[1:])
    read = _external(path, proto) if proto.external_data else _inline(proto)
    packed = storage in NIBBLES and bool(proto.external_data or proto.raw_data)

    def rows(start: int, stop: int) -> Array:
        first, count = start * each, (stop - start) * each
        values = _unpacked(read, storage, first, count) if packed else read(first, count)
        return values.reshape((stop - start, *shape[1:]) if shape else ())

    return rows


def storage_of(proto: Any) -> str:
    """What a tensor is stored as, in lower case."""
    import onnx

    name: str = onnx.TensorProto.DataType.Name(proto.data_type)
    return {"FLOAT": FLOAT32, "DOUBLE": "float64"}.get(name, str(name).lower())


def _dtype(proto: Any) -> Any:
    import onnx

    if storage_of(proto) in NIBBLES:
        return np.dtype("u1")
    return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(proto.data_type)).newbyteorder("<")


def _inline(proto: Any) -> Callable[[int, int], Array]:
    if not proto.raw_data:
        return lambda first, count: _one_by_one(proto)[first : first + count]
    dtype = _dtype(proto)
    return lambda first, count: np.frombuffer(proto.raw_data, dtype, count, first * dtype.itemsize)


def _one_by_one(proto: Any) -> Array:
    """All values of a tensor that are stored as numbers; halves of bytes are one each, then."""
    from onnx import numpy_helper

    whole: Array = numpy_helper.to_array(proto).reshape(-1)
    return whole.astype(np.int8) if storage_of(proto) in NIBBLES else whole


def _external(path: Path, proto: Any) -> Callable[[int, int], Array]:
    told = {entry.key: entry.value for entry in proto.external_data}
    file, offset, dtype = path.parent / told["location"], int(told.get("offset", 0)), _dtype(proto)

    def read(first: int, count: int) -> Array:
        try:
            values: Array = np.fromfile(file, dtype=dtype, count=count, offset=offset + first * dtype.itemsize)
        except OSError as error:
            raise InputError(
                f"{path}: its external data {file.name} cannot be read ({error}); copy it beside the model"
            ) from None
        if len(values) < count:
            raise InputError(f"{file}: ends before the data of {proto.name} does; copy it again")
        return values

    return read


def _unpacked(read: Callable[[int, int], Array], storage: str, first: int, count: int) -> Array:
    """Halves of bytes, the low one first."""
    begin = first // 2
    both = halves(read(begin, (first + count + 1) // 2 - begin).reshape(1, -1), 4)[0]
    values = both[first - 2 * begin :][:count].astype(np.int8)
    found: Array = ((values + 8) & 15) - 8 if storage == INT4 else values
    return found


def halves(packed: Array, bits: int) -> Array:
    """(row, byte) to (row, value): bytes as they are, or each as its low and its high half."""
    if bits == 8:
        return packed
    return np.stack([packed & 15, packed >> 4], axis=-1).reshape(packed.shape[0], -1)


def attribute(node: Any, name: str, default: int) -> int:
    """A whole number that a node is given."""
    return next((int(entry.i) for entry in node.attribute if entry.name == name), default)


def number(node: Any, name: str, default: float) -> float:
    """A real number that a node is given."""
    return next((float(entry.f) for entry in node.attribute if entry.name == name), default)


def rounds_its_feed(node: Any) -> bool:
    """Whether a node multiplies integers that floats become on their way into it or just before."""
    by_blocks = node.op_type == "MatMulNBits" and attribute(node, "accuracy_level", 0) == ACCURACY_INT8
    return by_blocks or node.op_type in INTEGER_PRODUCTS


def input_of(node: Any, place: int) -> str:
    """The name of a node's input; empty where it has none."""
    return str(node.input[place]) if place < len(node.input) else ""


def constant_value(node: Any) -> Any:
    """The tensor that a node Constant holds."""
    if node.op_type != "Constant":
        return None
    return next((entry.t for entry in node.attribute if entry.name == "value"), None)


def helpers_of(node: Any, places: Iterable[int]) -> frozenset[str]:
    """What a node takes at some places."""
    return frozenset(name for place in places if (name := input_of(node, place)))
