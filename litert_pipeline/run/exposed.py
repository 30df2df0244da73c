"""Tensors inside a `.tflite` file: any can be had by making it an output of the graph, kernels and all as they ship.

The runtime's own way, keeping every tensor, needs tens of GB for a decoder of full size and turns XNNPACK off.
"""

import mmap
import os
import shutil
import struct
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from litert_pipeline.run.advice import unusable
from litert_pipeline.run.litert import native_log
from reference.spec.errors import InputError
from reference.spec.tensors import Array

OUTPUTS_FIELD = 8  # where SubGraph's table of fields says how far in `outputs` lies; source: LiteRT's schema.fbs
WORD = 4  # bytes of a flatbuffer's offsets and lengths
Inside = Callable[[Mapping[str, Array]], list[Array]]  # what tensors hold, by what the file's inputs are called


@contextmanager
def exposing(path: Path, inputs: Collection[str], tensors: Sequence[int]) -> Iterator[Inside]:
    """A run of the first subgraph with the classic Interpreter, in float32, XNNPACK as it is by default, that gives some of its
    tensors, by index. Raises InputError if it cannot be loaded or has no inputs called so."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        shutil.copyfile(path, copy)
        places = _expose(copy, inputs, tensors)
        missing = [name for name in inputs if name not in places]
        if missing:
            raise InputError(f"{path}: foreign signature, inputs {missing} are not among {sorted(places)}")
        opened = [_opened(copy, path)]

        def run(feed: Mapping[str, Array]) -> list[Array]:
            (interpreter,) = opened
            for name in inputs:
                interpreter.set_tensor(places[name], feed[name])
            interpreter.invoke()
            return [interpreter.get_tensor(index) for index in tensors]

        try:
            yield run
        finally:
            with native_log():
                opened.clear()


def _opened(copy: Path, path: Path) -> Any:
    with native_log():
        from ai_edge_litert.interpreter import Interpreter

        try:
            interpreter: Any = Interpreter(model_path=str(copy), num_threads=os.cpu_count() or 1)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise unusable(path, "LiteRT's Interpreter", "load", error) from None
    return interpreter


def _expose(file: Path, names: Collection[str], tensors: Sequence[int]) -> Mapping[str, int]:
    """Append a list of outputs to a file and let the graph point at it; the places of its inputs."""
    with native_log():
        from ai_edge_litert import schema_py_generated as schema

    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        model = schema.Model.GetRootAsModel(data, 0)
        graph = model.Subgraphs(0)
        field = graph._tab.Pos + graph._tab.Offset(OUTPUTS_FIELD)
        found = _inputs(model, graph, names)
        del model, graph  # they look into the file, which is about to be closed
    with file.open("r+b") as written:
        end = written.seek(0, 2)
        start = end + -end % WORD
        written.write(bytes(start - end) + struct.pack(f"<{1 + len(tensors)}I", len(tensors), *tensors))
        written.seek(field)
        written.write(struct.pack("<I", start - field))
    return found


def _inputs(model: Any, graph: Any, names: Collection[str]) -> dict[str, int]:
    """Tensor index by name: of the signature of this subgraph that has all of `names` or, without, as the graph calls them."""
    signatures = [model.SignatureDefs(at) for at in range(model.SignatureDefsLength())]
    told = [
        {one.Inputs(at).Name().decode(): one.Inputs(at).TensorIndex() for at in range(one.InputsLength())}
        for one in signatures
        if one.SubgraphIndex() == 0
    ]
    own = {graph.Tensors(graph.Inputs(at)).Name().decode(): graph.Inputs(at) for at in range(graph.InputsLength())}
    return next((maps for maps in told if set(names) <= set(maps)), own if not told else told[0])
