"""A `.tflite` file opened as what it is, a flatbuffer: nothing is run, and a file of any size takes no memory."""

import mmap
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from litert_pipeline.run.litert import native_log
from reference.spec.errors import InputError

MAGIC = b"TFL3"  # bytes 4 to 8 of a `.tflite` file


@contextmanager
def litert_model(path: Path) -> Iterator[tuple[Any, Any]]:
    """The model of a file, to be read while it is open, and LiteRT's schema.

    Raises InputError if it is no LiteRT model, and where reading it leads outside of the file.
    """
    with native_log():
        from ai_edge_litert import schema_py_generated as schema

    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data[4:8] != MAGIC:
                raise InputError(f"{path}: is no LiteRT model (its bytes 4 to 8 are no 'TFL3'); convert it again")
            yield schema.Model.GetRootAsModel(data, 0), schema
    except (struct.error, IndexError, TypeError, ValueError, AttributeError, KeyError) as error:
        raise InputError(f"{path}: is a damaged LiteRT model ({error}); copy or convert it again") from None


def stored_buffers(model: Any, graph: Any, codes: Mapping[int, str]) -> list[tuple[int, str, int]]:
    """Index, type and size in bytes of every constant of a subgraph; `codes` are the names of types."""
    found = []
    for index in range(graph.TensorsLength()):
        tensor = graph.Tensors(index)
        buffer = model.Buffers(tensor.Buffer())
        size_bytes = max(int(buffer.DataLength()), int(buffer.Size()))
        if size_bytes:
            found.append((index, codes[tensor.Type()], size_bytes))
    return found
