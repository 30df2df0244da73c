"""A stage's file behind the stage interface: the reference's tensors in and out, whatever it is computed in."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx import nn

from litert_pipeline.mlx_file import KEPT, Described, read_described
from litert_pipeline.mlx_header import Quantized
from parity.runtimes.mlx_port.conditioner import Conditioner
from parity.runtimes.mlx_port.dit import DiT
from parity.runtimes.mlx_port.oobleck import Decoder, Encoder
from reference.spec.errors import InputError
from reference.spec.stages import CONDITIONER, DECODER, DIT, ENCODER
from reference.spec.tensors import Array, Signature, Tensors

MODULES: Mapping[str, Callable[[Mapping[str, Any]], nn.Module]] = {
    CONDITIONER: lambda parts: Conditioner(parts["t5"], parts["numbers"]),
    DIT: lambda parts: DiT(parts["transformer"]),
    DECODER: lambda parts: Decoder(parts["codec"], parts["chunks"]),
    ENCODER: lambda parts: Encoder(parts["codec"], parts["chunks"]),
}
DTYPES = {"fp32": mx.float32, "fp16": mx.float16}
NUMBERS_AXES = 1  # levels and seconds, from which angles follow: they stay in float32


class MlxStage:
    """A file's module and the tensors it crosses."""

    def __init__(self, path: Path, signature: Signature, compute: str) -> None:
        """Raises InputError for a file that is damaged, or whose tensors are not those of its stage."""
        self.path, self.signature, self.dtype = path, signature, DTYPES[compute]
        self.module = built(read_described(path), path)
        load_strictly(self.module, self._tensors(), path)

    def __call__(self, feed: Mapping[str, Array]) -> Tensors:
        """Answers in float32. Raises InputError for a feed of another shape, and for a module that does not take this one's."""
        taken = {name: self._taken(array) for name, array in self.signature.bind(feed).items()}
        try:
            answers = self.module(**taken)
        except (ValueError, KeyError) as error:  # MLX's of shapes, and a number that is not told
            wanted = ", ".join(f"{tensor.name} {tensor}" for tensor in self.signature.inputs)
            raise InputError(
                f"{self.path}: cannot take {wanted} ({_first_line(error)}); is it of another model? convert it again"
            ) from None
        widened = {name: answer.astype(mx.float32) for name, answer in answers.items()}
        mx.eval(widened)
        return {tensor.name: np.array(widened[tensor.name]) for tensor in self.signature.outputs}

    def _taken(self, array: Array) -> mx.array:
        taken = mx.array(array)
        return taken.astype(self.dtype) if array.dtype == np.float32 and array.ndim > NUMBERS_AXES else taken

    def _tensors(self) -> dict[str, mx.array]:
        """The file's tensors in the precision that is computed in; levels of quantized ones as they are."""
        try:
            stored: dict[str, mx.array] = mx.load(str(self.path))
        except RuntimeError as error:
            raise InputError(f"{self.path}: MLX cannot load it ({error}); copy or convert it again") from None
        return {name: self._computed(name, array) for name, array in stored.items()}

    def _computed(self, name: str, array: mx.array) -> mx.array:
        if not mx.issubdtype(array.dtype, mx.floating):
            return array
        return array.astype(mx.float32 if re.search(KEPT, name) else self.dtype)


def built(what: Described, path: Path) -> nn.Module:
    """The module that a file holds the weights of, its quantized layers in their place. Raises InputError for one that MLX cannot
    make: of sizes beyond its own, or with a quantized layer of a kind that it does not quantize."""
    try:
        module = MODULES[what.stage](what.parts)
        if what.quantized:
            nn.quantize(module, class_predicate=lambda layer, _: _how(what.quantized.get(layer)))
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{path}: MLX cannot make what its header says ({_first_line(error)}); convert it again") from None
    return module


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _how(quantized: Quantized | None) -> bool | dict[str, Any]:
    """What MLX is told of a layer."""
    return False if quantized is None else {"bits": quantized.bits, "group_size": quantized.group_size, "mode": "affine"}


def load_strictly(module: nn.Module, tensors: Mapping[str, mx.array], path: Path) -> None:
    """Give a module all it needs and nothing else. Raises InputError naming what does not fit."""
    try:
        module.load_weights(list(tensors.items()), strict=True)
    except ValueError as error:
        raise InputError(f"{path}: does not fit its stage ({' '.join(str(error).split())}); convert it again") from None
    module.eval()
