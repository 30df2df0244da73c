"""Inside a stage that MLX runs: its modules have the reference's paths, so each one's answer is noted as it is given."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import nn

from parity.explain.inside.graphs.tensor import GraphTensor
from reference.spec.tensors import Array, Signature


class MlxGraph:
    """A `.safetensors` file; every module's answer can be had."""

    def __init__(self, path: Path, signature: Signature, module: nn.Module) -> None:
        from parity.runtimes.mlx_port.noted import NotedStage

        self._stage = NotedStage(path, signature)
        wanted = {own for own, _ in module.named_modules()}
        ones = {tensor.name: np.ones(tensor.shape, tensor.dtype) for tensor in signature.inputs}
        self.tensors = [
            GraphTensor(name=path, key=path, owners=(path,), shape=array.shape)
            for path, array in self._stage.noted(ones).items()
            if path in wanted
        ]

    def run(self, wanted: list[GraphTensor], feed: Mapping[str, Array]) -> list[Array]:
        """The values of some tensors in one run."""
        found = self._stage.noted(feed)
        return [found[tensor.name] for tensor in wanted]
