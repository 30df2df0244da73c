"""The constants of a `.safetensors` file that MLX runs. Twin of `constants_litert.py`.

Source: MLX's documentation of `quantize`, mode "affine": a value is its level times the scale of its group plus the group's
bias, levels packed into uint32 from the lowest bits up.
"""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np

from litert_pipeline.mlx_file import read_described
from litert_pipeline.mlx_header import BIASES, PACKED, SCALES, WORD_BITS, Quantized
from parity.bundles.constants import FLOATS, UINT4, UINT8, Constant, Grid
from reference.spec.errors import InputError
from reference.spec.tensors import Array

LEVELS = {8: UINT8, 4: UINT4}  # by number of bits


def mlx_constants(path: Path, others: Collection[int] = ()) -> list[Constant]:
    """Every tensor of the file; there is nothing beside it that could be `others`'. Raises InputError if it is damaged, or
    stores anything in a way that is not known here."""
    quantized = read_described(path).quantized
    grids = {f"{layer}.{part}" for layer in quantized for part in (SCALES, BIASES)}
    shapes = _shapes(path)
    found = []
    for name, (shape, storage) in shapes.items():
        layer, _, own = name.rpartition(".")
        if layer in quantized and own == PACKED:
            found.append(_packed(path, layer, shape, quantized[layer]))
        elif name not in grids:
            found.append(_plain(path, name, shape, storage))
    return found


def _plain(path: Path, name: str, shape: tuple[int, ...], storage: str) -> Constant:
    if storage not in FLOATS:
        raise InputError(f"{path}: '{name}' is {storage}, expected one of {', '.join(FLOATS)}; convert it again")
    return Constant(name=name, shape=shape, storage=storage, read=_rows_of(path, name), widened=storage == "float16")


def _packed(path: Path, layer: str, shape: tuple[int, ...], how: Quantized) -> Constant:
    """A matrix (output, input) of levels; that its parts fit each other is known since the header was read."""
    packed = _rows_of(path, f"{layer}.{PACKED}")
    scale, bias = (_rows_of(path, f"{layer}.{part}")(0, shape[0]) for part in (SCALES, BIASES))
    wide = scale.astype(np.float64)
    return Constant(
        name=f"{layer}.{PACKED}",
        shape=(shape[0], shape[1] * WORD_BITS // how.bits),
        storage=LEVELS[how.bits],
        read=lambda start, stop: unpacked(packed(start, stop), how.bits),
        grid=Grid(
            scale=wide, zero=-bias.astype(np.float64) / wide, block=(1, how.group_size), scale_dtype=scale.dtype.name
        ),
        widened=True,
    )


def unpacked(words: Array, bits: int) -> Array:
    """uint32 (row, word) to the levels uint8 (row, level) that are packed in them."""
    shifts = np.arange(0, WORD_BITS, bits, dtype=np.uint32)
    levels: Array = (words[..., None] >> shifts) & np.uint32(2**bits - 1)
    return levels.reshape(*words.shape[:-1], -1).astype(np.uint8)


def _shapes(path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and dtype of every tensor, by name."""
    with _opened(path) as stored:
        return {name: _shape(stored.get_slice(name)) for name in stored.keys()}  # noqa: SIM118, no mapping


def _shape(part: Any) -> tuple[tuple[int, ...], str]:
    known = {"F32": "float32", "F16": "float16", "F64": "float64", "U32": "uint32"}
    return tuple(part.get_shape()), known.get(part.get_dtype(), part.get_dtype())


def _rows_of(path: Path, name: str) -> Callable[[int, int], Array]:
    """Reads rows of a tensor from the file."""

    def read(start: int, stop: int) -> Array:
        with _opened(path) as stored:
            rows: Array = stored.get_slice(name)[start:stop]
            return rows

    return read


def _opened(path: Path) -> Any:
    """The file, for reading. Raises InputError if it is damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(path, "numpy")
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: is no readable .safetensors file ({error}); copy or convert it again") from None
