"""Inside an `.onnx` file written by torch.onnx, which notes on every node the module it came from."""

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
from torch import nn

from parity.explain.inside.graphs.tensor import GraphTensor
from parity.runtimes.host import onnxruntime_kernels
from parity.runtimes.onnx_sessions import new_session
from reference.spec.tensors import Array, Signature

SCOPES = "pkg.torch.onnx.name_scopes"  # a node's modules from the outermost in, then its own name


class OnnxGraph:
    """An `.onnx` file; any of its tensors can be had by making it an output of the graph."""

    def __init__(self, path: Path, signature: Signature, module: nn.Module) -> None:
        self.path, self.signature = path, signature
        self._model = onnx.load(path)
        modules = {own for own, part in module.named_modules() if not isinstance(part, nn.ModuleList)}
        shapes = _shapes(self._model)
        self.tensors = [
            GraphTensor(name=name, key=name, owners=(owner,), shape=shapes[name])
            for node in self._model.graph.node
            if (owner := _owner(node)) in modules
            for name in node.output
            if name in shapes
        ]

    def run(self, wanted: list[GraphTensor], feed: Mapping[str, Array]) -> list[Array]:
        """The values of some tensors in one run of ONNX Runtime."""
        own = list(self._model.graph.output)
        names = [tensor.name for tensor in wanted]
        del self._model.graph.output[:]
        self._model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in dict.fromkeys(names))
        try:
            session = new_session(self._model.SerializeToString(), exact=onnxruntime_kernels().needs_option)
        finally:
            del self._model.graph.output[:]
            self._model.graph.output.extend(own)
        values: list[Array] = session.run(names, self.signature.bind(feed))
        return values


def _owner(node: Any) -> str:
    """Path of the module a node belongs to; empty for the outermost one and where nothing is noted."""
    noted = next((entry.value for entry in node.metadata_props if entry.key == SCOPES), "['']")
    scopes: list[str] = ast.literal_eval(noted)
    return scopes[-2] if len(scopes) > 1 else ""


def _shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """Shapes of the graph's float tensors."""
    inferred = onnx.shape_inference.infer_shapes(model)
    return {
        info.name: tuple(axis.dim_value for axis in info.type.tensor_type.shape.dim)
        for info in (*inferred.graph.value_info, *inferred.graph.output)
        if info.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    }
