"""A file that draws its noise itself, as one that takes it from outside: only then is its answer a function of what it is fed.

Arm's script writes such an encoder. In a copy the random operator is taken out, and what it would have written is an input.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from litert_pipeline.bundle import StageFile
from litert_pipeline.run.litert import native_log

IDENTIFIER = b"TFL3"  # of a `.tflite` file


@contextmanager
def runnable(path: Path, entry: StageFile) -> Iterator[Path]:
    """The file of a stage as it is run: itself or, where it draws, a copy that is gone again afterwards."""
    drawn = () if entry.binding is None else entry.binding.drawn
    if not drawn:
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        copy.write_bytes(_handed_in(path, {match.position: match.theirs.name for match in drawn}))
        yield copy


def _handed_in(path: Path, drawn: Mapping[int, str]) -> bytes:
    """A model without the operators that write some tensors, by index, which are inputs under these names instead."""
    with native_log():
        import flatbuffers
        from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(bytearray(path.read_bytes()), 0)
    graph = model.subgraphs[model.signatureDefs[0].subgraphIndex if model.signatureDefs else 0]
    graph.operators = [operator for operator in graph.operators if not drawn.keys() & set(operator.outputs)]
    graph.inputs = [*graph.inputs, *drawn]
    for entry in model.signatureDefs or []:
        entry.inputs = [*entry.inputs, *(_mapped(schema, name, index) for index, name in drawn.items())]
    builder = flatbuffers.Builder(path.stat().st_size)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def _mapped(schema: Any, name: str, index: int) -> Any:
    """A tensor under a name in a signature."""
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name.encode(), index
    return entry
