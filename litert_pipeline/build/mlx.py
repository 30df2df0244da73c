"""Modules to `.safetensors` files for MLX, and such files to smaller ones."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from litert_pipeline.build.rewrites import PlainConv, PlainSnake, PlainUpConv
from litert_pipeline.mlx_file import INSTALL, KEPT, described, read_described, write_tensors
from litert_pipeline.mlx_header import BIASES, PACKED, SCALES, Quantized
from reference.spec.errors import InputError
from reference.spec.model import ModelSpec
from reference.spec.tensors import Array

# torch's kernels are (out, in, k), those of transposed convolutions (in, out, k); MLX's are (out, k, in), both.
CHANNELS_LAST: Mapping[type[nn.Module], tuple[int, ...]] = {
    nn.Conv1d: (0, 2, 1), PlainConv: (0, 2, 1), PlainUpConv: (1, 2, 0),
}  # fmt: skip


def write_mlx(module: nn.Module, spec: ModelSpec, stage: str, path: Path) -> None:
    """A stage's module, its weight norm and Snake's exponentials folded, in float32."""
    write_tensors(path, dict(channels_last_tensors(module)), described(spec, stage))


def channels_last_tensors(module: nn.Module) -> Iterator[tuple[str, Array]]:
    """The tensors of a module by name, laid out as MLX takes them. Strided views."""
    for path, part in module.named_modules():
        for name, tensor in (*part.named_parameters(recurse=False), *part.named_buffers(recurse=False)):
            yield f"{path}.{name}" if path else name, _laid_out(part, tensor)


def _laid_out(part: nn.Module, tensor: Tensor) -> Array:
    array: Array = tensor.detach().numpy()
    if isinstance(part, PlainSnake):
        return array.reshape(-1)
    order = CHANNELS_LAST.get(type(part))
    return array if order is None or array.ndim < len(order) else array.transpose(order)


def quantize_mlx(source: Path, target: Path, rules: list[dict[str, Any]], name: str) -> None:
    """Store a file's tensors smaller. A rule has `modules`, a regular expression for layers, and either `bits` and
    `group_size`, or `dtype` "float16" for all that is not `KEPT`; the first that fits a layer counts.

    Raises InputError for a rule whose groups do not divide a layer's inputs, and for a file that is damaged.
    """
    from safetensors.numpy import load_file

    what, tensors = read_described(source), load_file(source)
    found: dict[str, Array] = {}
    quantized: dict[str, Quantized] = {}
    for key, array in tensors.items():
        layer, _, own = key.rpartition(".")
        rule = next((rule for rule in rules if re.search(rule["modules"], layer)), {})
        if rule.get("dtype") == "float16" and not re.search(KEPT, key):
            found[key] = array.astype(np.float16)
        elif "bits" in rule and own == PACKED and array.ndim == 2:
            quantized[layer] = Quantized(bits=rule["bits"], group_size=rule["group_size"])
            found |= {f"{layer}.{part}": value for part, value in _packed(key, array, quantized[layer], name).items()}
        else:
            found[key] = array
    write_tensors(target, found, replace(what, quantized=quantized))


def _packed(key: str, array: Array, how: Quantized, name: str) -> dict[str, Array]:
    """Levels, scales and values of level 0, as MLX's own quantizer rounds."""
    try:
        import mlx.core as mx
    except ImportError as error:
        raise InputError(f"recipe '{name}': MLX is what quantizes, and it is not installed ({error}); {INSTALL}") from None
    try:
        parts = mx.quantize(mx.array(array), group_size=how.group_size, bits=how.bits)
    except ValueError as error:
        raise InputError(f"recipe '{name}': MLX cannot quantize {key} {list(array.shape)} ({error})") from None
    return dict(zip((PACKED, SCALES, BIASES), map(np.array, parts), strict=True))
