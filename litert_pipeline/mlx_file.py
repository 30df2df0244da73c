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

from reference.spec.errors import InputError
from reference.spec.model import ChunkSpec, DiTSpec, ModelSpec, OobleckSpec, SecondsSpec, T5Spec
from reference.spec.plain_json import parse
from reference.spec.stages import CONDITIONER, DECODER, DIT, ENCODER
from reference.spec.tensors import Array

MLX, SUFFIX = "mlx", ".safetensors"
MLX_AUDIOGEN = "mlx_audiogen"  # somebody else's conversion, whose tensors have names of their own (`fixtures/peers/`)
INSTALL = "'pip install stable-audio-parity[mlx]' installs it, on Linux with glibc 2.35 and on Apple silicon"
METADATA = "stable_audio_parity"  # one entry: several have no order, and the same stage would be other bytes every time
SIZE = struct.Struct("<Q")
READABLE = 0o644
MOST_HEADER_BYTES = 100_000_000  # what the format allows
# What MLX calls the parts of a matrix that it has quantized: levels packed into uint32, and for each group of inputs
# a scale and the value of level 0.
PACKED, SCALES, BIASES = "weight", "scales", "biases"
# What stays in float32: frequencies, for 257 radians in float16 are a quarter of a radian off, and the number embedders, which
# are next to nothing, and whose sums MLX would make in float16.
KEPT = r"(inv_freq|timestep_features\.weight)$|^conditioners\."


@dataclass(frozen=True, kw_only=True)
class Quantized:
    """How a layer's matrix is stored: `bits` for each value, a scale and a value of level 0 for each `group_size` inputs."""

    bits: int
    group_size: int


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
    """What a file says of itself. Raises InputError for one that is damaged, or was not written here."""
    said = _header(path).get("__metadata__", {})
    try:
        told = parse(said[METADATA])
        quantized = {name: Quantized(**entry) for name, entry in told["quantized"].items()}
        parts = {name: _part(name, entry) for name, entry in told["parts"].items()}
        return Described(stage=told["stage"], parts=parts, quantized=quantized)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path}: does not say which stage it is ({type(error).__name__}: {error} in its entry '{METADATA}'); "
            "make it with 'python -m litert_pipeline convert --recipe mlx_fp32'"
        ) from None


def _header(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            (size,) = SIZE.unpack(stream.read(SIZE.size))
            found = parse(stream.read(min(size, MOST_HEADER_BYTES)).decode())
    except (OSError, struct.error, ValueError) as error:
        raise InputError(f"{path}: is no readable .safetensors file ({error}); copy or convert it again") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: is no readable .safetensors file (its header is no table); copy or convert it again")
    return found


def _part(name: str, entry: Any) -> Any:
    """A spec as it was before it was written."""
    if entry is None:
        return None
    if name == "numbers":
        return tuple(SecondsSpec(**number) for number in entry)
    kinds: dict[str, type[Any]] = {"t5": T5Spec, "transformer": DiTSpec, "codec": OobleckSpec, "chunks": ChunkSpec}
    return kinds[name](**{key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()})
