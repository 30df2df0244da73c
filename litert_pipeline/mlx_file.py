"""A stage as a `.safetensors` file that MLX runs: its tensors under flat names, channels last, and a header that says what
they are the weights of. Reading the header needs neither MLX nor torch.

Format: https://github.com/huggingface/safetensors, "Format".
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from litert_pipeline.mlx_header import Quantized, read_parts, read_quantized, read_stage
from reference.spec.errors import InputError
from reference.spec.model import ModelSpec
from reference.spec.plain_json import parse
from reference.spec.section import Section
from reference.spec.stages import CONDITIONER, DECODER, DIT, ENCODER
from reference.spec.tensors import Array

MLX, SUFFIX = "mlx", ".safetensors"
MLX_AUDIOGEN = "mlx_audiogen"  # somebody else's conversion, whose tensors have names of their own (`fixtures/peers/`)
INSTALL = "'pip install stable-audio-parity[mlx]' installs it, on Linux with glibc 2.35 and on Apple silicon"
METADATA = "stable_audio_parity"  # one entry: several have no order, and the same stage would be other bytes every time
SIZE = struct.Struct("<Q")
READABLE = 0o644
MOST_HEADER_BYTES = 100_000_000  # what the format allows
# What stays in float32: frequencies, for 257 radians in float16 are a quarter of a radian off, and the number embedders, which
# are next to nothing, and whose sums MLX would make in float16.
KEPT = r"(inv_freq|timestep_features\.weight)$|^conditioners\."


@dataclass(frozen=True, kw_only=True)
class Described:
    """What a file says of itself. `parts`: the specs its stage is built from, by name; `quantized`: layers by their path."""

    stage: str
    parts: Mapping[str, Any]
    quantized: Mapping[str, Quantized] = field(default_factory=dict)


def described(spec: ModelSpec, stage: str) -> Described:
    """What the file of a model's stage says of itself."""
    parts: dict[str, dict[str, Any]] = {
        CONDITIONER: {"t5": spec.t5, "numbers": spec.numbers},
        DIT: {"transformer": spec.dit},
        DECODER: {"codec": spec.decoder, "chunks": spec.chunks},
        ENCODER: {"codec": spec.encoder, "chunks": spec.chunks},
    }
    return Described(stage=stage, parts=parts[stage])


def write_tensors(path: Path, tensors: Mapping[str, Array], what: Described) -> None:
    """Write a file. Every array is made contiguous first: safetensors 0.8.0 writes what lies in memory, whatever strides say
    (https://github.com/huggingface/safetensors/issues/825)."""
    from safetensors.numpy import save_file

    contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    save_file(contiguous, path, metadata={METADATA: json.dumps(asdict(what), sort_keys=True)})
    path.chmod(READABLE)  # safetensors writes files for their owner alone


def read_described(path: Path) -> Described:
    """What a file says of itself. Raises InputError for one that is damaged, was not written here, or whose quantized layers
    are not stored as it says."""
    header = _header(path)
    try:
        told = parse(header.pop("__metadata__", {})[METADATA])
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"{path}: does not say which stage it is (in an entry '{METADATA}' of its header); "
            "make it with 'python -m litert_pipeline convert --recipe mlx_fp32'"
        ) from None
    try:
        return _described(Section(path, told), header)
    except InputError as error:
        raise InputError(f"{error} (in its header); convert it again") from None


def read_described_as(path: Path, stage: str) -> Described:
    """The same of a stage's file. Raises InputError for another stage's, too."""
    what = read_described(path)
    if what.stage != stage:
        is_of = f"is of stage '{what.stage}', expected one of stage '{stage}'"
        raise InputError(f"{path}: {is_of}; put the right file in its place, or convert it again")
    return what


def _described(told: Section, tensors: Mapping[str, Any]) -> Described:
    stage = read_stage(told)
    parts, quantized = read_parts(told, stage, tensors), read_quantized(told, tensors)
    told.done()
    return Described(stage=stage, parts=parts, quantized=quantized)


def _header(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            (size,) = SIZE.unpack(stream.read(SIZE.size))
            if size > (left := path.stat().st_size - SIZE.size):
                raise ValueError(f"its header is said to be {size} bytes, {left} follow")
            found = parse(stream.read(min(size, MOST_HEADER_BYTES)).decode())
    except (OSError, struct.error, ValueError) as error:
        raise InputError(f"{path}: is no readable .safetensors file ({error}); copy or convert it again") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: is no readable .safetensors file (its header is no table); copy or convert it again")
    for name, entry in found.items():
        if name != "__metadata__" and not _is_tensor(entry):
            raise InputError(f"{path}: is no readable .safetensors file ('{name}' is no tensor); copy or convert it again")
    return found


def _is_tensor(entry: Any) -> bool:
    shape = entry.get("shape") if isinstance(entry, dict) else None
    return isinstance(shape, list) and all(type(length) is int for length in shape) and isinstance(entry.get("dtype"), str)
