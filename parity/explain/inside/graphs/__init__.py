"""Converted files seen from inside: which tensor a module's output became, and its value in a run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from torch import nn

from litert_pipeline.mlx_file import MLX
from parity.explain.inside.graphs.litert import LiteRTGraph
from parity.explain.inside.graphs.mlx_ import MlxGraph
from parity.explain.inside.graphs.onnx import OnnxGraph
from parity.explain.inside.graphs.tensor import GraphTensor
from reference.spec.tensors import Array, Signature


class Graph(Protocol):
    """A file whose inner tensors are named after the modules that computed them."""

    tensors: list[GraphTensor]

    def run(self, wanted: list[GraphTensor], feed: Mapping[str, Array]) -> list[Array]:
        """The values of some tensors, and no others', in one run."""


OPENERS: dict[str, Callable[[Path, Signature, nn.Module], Graph]] = {
    "litert": LiteRTGraph, "onnx": OnnxGraph, MLX: MlxGraph,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Which tensor of a graph holds the output of which module, in the order the modules finish."""

    graph: Graph
    tensors: Mapping[str, GraphTensor]

    @property
    def sizes(self) -> dict[str, int]:
        """How many values each output has."""
        return {path: int(np.prod(tensor.shape)) for path, tensor in self.tensors.items()}

    def values(self, paths: list[str], feed: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs of the modules at `paths` as the graph computed them."""
        return dict(zip(paths, self.graph.run([self.tensors[path] for path in paths], feed), strict=True))


def find_outputs(graph: Graph, sizes: Mapping[str, int]) -> Outputs:
    """The last tensor that each module of `sizes` (path: values in its output, as they finish) computed and that is as large.

    A fused tensor carries the names of several modules. One that finishes later means that an operation of that module is
    already in it, so it is not this module's output; one that finished before only handed over in another layout.
    """
    order = {path: index for index, path in enumerate(sizes)}
    found: dict[str, GraphTensor] = {}
    for tensor in graph.tensors:
        for path in set(tensor.owners) & sizes.keys():
            others = [owner for owner in tensor.owners if not f"{owner}.".startswith(f"{path}.")]
            last = all(order.get(owner, len(order)) < order[path] for owner in others)
            if last and int(np.prod(tensor.shape)) == sizes[path]:
                found[path] = tensor
    return Outputs(graph=graph, tensors={path: found[path] for path in sizes if path in found})
