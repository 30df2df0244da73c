"""Inside a `.tflite` file. Any tensor can be had by making it an output of the graph, kernels and all as they ship.

The runtime's own way, keeping every tensor, needs tens of GB for a decoder of full size and turns XNNPACK off.
"""

import mmap
import os
import shutil
import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from litert_pipeline.run.litert import native_log
from parity.explain.inside.graphs.tensor import GraphTensor
from reference.spec.errors import InputError
from reference.spec.tensors import Array, Signature

OUTPUTS_FIELD = 8  # where SubGraph's table of fields says how far in `outputs` lies; source: LiteRT's schema.fbs
WORD = 4  # bytes of a flatbuffer's offsets and lengths


class LiteRTGraph:
    """A `.tflite` file with one signature, its tensors named by litert-torch."""

    def __init__(self, path: Path, signature: Signature, module: nn.Module) -> None:
        """Raises InputError if the file has no signature with the inputs of `signature`."""
        self.path, self.signature = path, signature
        owner = {spelled: own for own, spelled in _spelled(module).items()}
        with native_log():
            from ai_edge_litert import schema_py_generated as schema

        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            model = schema.Model.GetRootAsModel(data, 0)
            graph = model.Subgraphs(0)
            self._field = graph._tab.Pos + graph._tab.Offset(OUTPUTS_FIELD)
            self._inputs = _inputs(model, path, signature)
            details = [graph.Tensors(index) for index in range(graph.TensorsLength())]
            self.tensors = [
                GraphTensor(
                    name=tensor.Name().decode(),
                    key=index,
                    owners=_owners(tensor.Name().decode(), owner),
                    shape=tuple(tensor.Shape(axis) for axis in range(tensor.ShapeLength())),
                )
                for index, tensor in enumerate(details)
                if tensor.Type() == schema.TensorType.FLOAT32
            ]
            del details, graph, model  # they look into the file, which is about to be closed

    def run(self, wanted: list[GraphTensor], feed: Mapping[str, Array]) -> list[Array]:
        """The values of some tensors in one run of the classic Interpreter, with XNNPACK as it is by default.

        Raises InputError if it cannot load the file.
        """
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / self.path.name
            shutil.copyfile(self.path, copy)
            self._expose(copy, [int(tensor.key) for tensor in wanted])
            with native_log():
                from ai_edge_litert.interpreter import Interpreter

                try:
                    interpreter: Any = Interpreter(model_path=str(copy), num_threads=os.cpu_count() or 1)
                    interpreter.allocate_tensors()
                except (ValueError, RuntimeError) as error:
                    raise InputError(f"{self.path}: LiteRT's Interpreter cannot load it ({error})") from None
                for name, array in self.signature.bind(feed).items():
                    interpreter.set_tensor(self._inputs[name], array)
                interpreter.invoke()
                values = [interpreter.get_tensor(tensor.key) for tensor in wanted]
                del interpreter
        return values

    def _expose(self, file: Path, tensors: list[int]) -> None:
        """Append a list of outputs to a copy of the file and let the graph point at it."""
        with file.open("r+b") as stream:
            end = stream.seek(0, 2)
            start = end + -end % WORD
            stream.write(bytes(start - end) + struct.pack(f"<{1 + len(tensors)}I", len(tensors), *tensors))
            stream.seek(self._field)
            stream.write(struct.pack("<I", start - self._field))


def _inputs(model: Any, path: Path, signature: Signature) -> dict[str, int]:
    """Tensor index of each input of the only signature."""
    found = {}
    if model.SignatureDefsLength() == 1:
        entry = model.SignatureDefs(0)
        maps = [entry.Inputs(index) for index in range(entry.InputsLength())]
        found = {pair.Name().decode(): pair.TensorIndex() for pair in maps}
    missing = [tensor.name for tensor in signature.inputs if tensor.name not in found]
    if missing:
        raise InputError(f"{path}: foreign signature, inputs {missing} are not among {sorted(found)}")
    return found


def _owners(name: str, owner: Mapping[str, str]) -> tuple[str, ...]:
    """Paths of the modules a tensor is named after: for each name in it the longest part that is a module's.

    A name that is no module's counts as the outermost one's.
    """
    found = []
    for part in name.split(";"):
        if part and not part.isdigit():
            words = part.split("/")
            spelled = ("/".join(words[:count]) for count in range(len(words), 0, -1))
            found.append(next((owner[name] for name in spelled if name in owner), ""))
    return tuple(found)


def _spelled(module: nn.Module) -> dict[str, str]:
    """How the converter spells each module's path: `qualified.Class_attribute`, joined by slashes, lists left out."""
    names = {"": _class_name(module)}
    for path, part in module.named_modules():
        if not path:
            continue
        parent, _, attribute = path.rpartition(".")
        own = "" if isinstance(part, nn.ModuleList) else f"/{_class_name(part)}_{attribute}"
        names[path] = f"{names[parent]}{own}"
    return {path: name for path, name in names.items() if not isinstance(module.get_submodule(path), nn.ModuleList)}


def _class_name(part: nn.Module) -> str:
    return f"{type(part).__module__}.{type(part).__qualname__}"
