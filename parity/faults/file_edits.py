"""Tools to make a `.tflite` file wrong: other scales, other stored values, constants that do not belong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from reference.spec.tensors import Array

Change = Callable[[Any], None]  # of a whole model, as LiteRT's schema unpacks it
DATA = {"FLOAT32": "<f4", "FLOAT16": "<f2", "INT8": "i1"}


def edit_file(path: Path, change: Change) -> None:
    """Change a file in its place."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    content = path.read_bytes()
    model = schema.ModelT.InitFromPackedBuf(bytearray(content), 0)
    for buffer in model.buffers:
        if buffer.size:  # a quantizer's, which keeps them behind all else
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    change(model)
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))


def scales(change: Callable[[Array], Array], part: str = "") -> Change:
    """Change the scales of all quantized constants whose names have `part`: one array a constant, of one number a group."""

    def edit(model: Any) -> None:
        for tensor in _constants(model, part):
            quantization = tensor.quantization
            if quantization is not None and quantization.scale is not None and len(quantization.scale):
                quantization.scale = change(np.asarray(quantization.scale, np.float32)).astype(np.float32)
            if (table := _blockwise(model, tensor)) is not None:
                _store(model, table, change(_stored(model, table)))

    return edit


def values(change: Callable[[Array], Array], part: str = "", storage: str = "FLOAT32") -> Change:
    """Change the stored values of all constants of a type whose names have `part`."""

    def edit(model: Any) -> None:
        for tensor in _constants(model, part):
            if _type(tensor) == storage:
                _store(model, tensor, change(_stored(model, tensor)))

    return edit


def rewritten(quantize: Callable[[str, tuple[int, ...]], tuple[Array, Array]]) -> Change:
    """Other levels and scales for every INT8 matrix with a scale per channel; `quantize` gets its name and shape."""

    def edit(model: Any) -> None:
        for tensor in _constants(model, ""):
            if _type(tensor) == "INT8" and len(tensor.shape) == 2 and len(tensor.quantization.scale) > 1:
                levels, scale = quantize(tensor.name.decode(), tuple(tensor.shape))
                tensor.quantization.scale = scale.astype(np.float32)
                _store(model, tensor, levels)

    return edit


def foreign_constant(model: Any) -> None:
    """A matrix nobody knows that no operator takes, as what is left of an adapter."""
    from ai_edge_litert import schema_py_generated as schema

    buffer, tensor = schema.BufferT(), schema.TensorT()
    drawn = np.random.Generator(np.random.Philox(0)).standard_normal((48, 32), np.float32)
    buffer.data = np.frombuffer(drawn.tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor.name, tensor.shape, tensor.type, tensor.buffer = (
        b"lora_a",
        [48, 32],
        schema.TensorType.FLOAT32,
        len(model.buffers) - 1,
    )
    model.subgraphs[0].tensors.append(tensor)


def _constants(model: Any, part: str) -> list[Any]:
    """Tensors with values, but for those that are tables of scales."""
    tensors = [tensor for graph in model.subgraphs for tensor in graph.tensors]
    tables = {id(_blockwise(model, tensor)) for tensor in tensors}
    held = (tensor for tensor in tensors if model.buffers[tensor.buffer].data is not None and id(tensor) not in tables)
    return [tensor for tensor in held if part in tensor.name.decode()]


def _blockwise(model: Any, tensor: Any) -> Any:
    """The table of scales of a constant that is quantized in blocks."""
    details = getattr(tensor.quantization, "details", None)
    return None if details is None or not hasattr(details, "blockSize") else model.subgraphs[0].tensors[details.scales]


def _type(tensor: Any) -> str:
    from ai_edge_litert import schema_py_generated as schema

    names = {value: name for name, value in vars(schema.TensorType).items() if not name.startswith("_")}
    return str(names[tensor.type])


def _stored(model: Any, tensor: Any) -> Array:
    data = np.asarray(model.buffers[tensor.buffer].data, np.uint8)
    return np.frombuffer(data.tobytes(), DATA[_type(tensor)]).copy()


def _store(model: Any, tensor: Any, found: Array) -> None:
    data = found.astype(DATA[_type(tensor)]).tobytes()
    model.buffers[tensor.buffer].data = np.frombuffer(data, np.uint8)
