"""Inside a `.tflite` file: its tensors, and the modules of the reference they are named after."""

import mmap
from collections.abc import Mapping
from pathlib import Path

from torch import nn

from litert_pipeline.run.exposed import exposing
from litert_pipeline.run.litert import native_log
from parity.explain.inside.graphs.tensor import GraphTensor
from reference.spec.tensors import Array, Signature


class LiteRTGraph:
    """A `.tflite` file with one signature, its tensors named by litert-torch."""

    def __init__(self, path: Path, signature: Signature, module: nn.Module) -> None:
        self.path, self.signature = path, signature
        owner = {spelled: own for own, spelled in _spelled(module).items()}
        with native_log():
            from ai_edge_litert import schema_py_generated as schema

        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            model = schema.Model.GetRootAsModel(data, 0)
            graph = model.Subgraphs(0)
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
        """The values of some tensors in one run. Raises InputError if the file cannot be loaded."""
        inputs = [tensor.name for tensor in self.signature.inputs]
        with exposing(self.path, inputs, [int(tensor.key) for tensor in wanted]) as run:
            return run(self.signature.bind(feed))


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
