"""The reference codec: a SAME checkpoint as an object over numpy arrays. Its twin runs LiteRT files."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reference.model.same import Same
from reference.model.same_halves import Draw
from reference.model.weights import AUTOENCODER_PREFIX, load_into, read_part
from reference.model_files import ModelFiles, locate
from reference.spec.codec.codec import Codec
from reference.spec.codec.same import SameSpec
from reference.spec.codec.windows import Half
from reference.spec.codec_config import read_codec_spec
from reference.spec.errors import InputError
from reference.spec.noise import MOST_SEED
from reference.spec.tensors import Array

OFF, REPLAY = "off", "replay"
NOISES = (OFF, REPLAY)


@dataclass(frozen=True, kw_only=True)
class CodecModel:
    """A loaded codec, in evaluation mode. `module` computes in the dtype of its parameters."""

    files: ModelFiles
    spec: SameSpec
    module: Same

    def to(self, dtype: torch.dtype) -> "CodecModel":
        """A copy that computes in `dtype` from the same stored weights."""
        state = {name: tensor.to(dtype) for name, tensor in self.module.state_dict().items()}
        module = _untrained(self.spec)
        module.load_state_dict(state, assign=True)
        return replace(self, module=module)

    def codec(self, draw: Draw | None = None) -> Codec:
        """Audio in, latents out, and back. `draw` adds the noise that upstream always adds; without it, as is usual here, the
        same input gives the same output."""
        encoder, decoder = (self._over_arrays(half, draw) for half in (self.module.encode, self.module.decode))
        return Codec(shape=self.spec.shape, encoder=encoder, decoder=decoder)

    def _over_arrays(self, half: Callable[[Tensor, Draw | None], Tensor], draw: Draw | None) -> Half:
        """Arrays of whatever float type, byte order and strides in, those of the module's dtype out."""
        dtype = self.module.bottleneck.running_std.numpy().dtype

        def run(data: Array) -> Array:
            with torch.inference_mode():
                return half(torch.from_numpy(np.array(data, dtype, order="C")), draw).numpy()

        return run


def load_codec(model: Path) -> CodecModel:
    """Load a codec in float32: of a model dir of its own or that of a model that generates, a weight file, or from the hub.

    Raises InputError for anything missing, damaged, or not fitting together.
    """
    files = locate(model)
    spec = read_codec_spec(files.config)
    module = _untrained(spec)
    load_into({"": module}, read_part(files.weights, AUTOENCODER_PREFIX), files.weights)
    return CodecModel(files=files, spec=spec, module=module)


def _untrained(spec: SameSpec) -> Same:
    with torch.device("meta"):  # no storage: the checkpoint's tensors become the parameters
        module = Same(spec)
    return module.eval().requires_grad_(False)


def replayed(seed: int, dtype: torch.dtype = torch.float32) -> Draw:
    """What upstream draws on the CPU after `torch.manual_seed(seed)`, in its order. Raises InputError for no valid seed."""
    if not 0 <= seed <= MOST_SEED:
        raise InputError(f"seed is {seed}, expected 0 to {MOST_SEED}")
    generator = torch.Generator().manual_seed(seed)
    return lambda shape: torch.randn(shape, generator=generator, dtype=dtype)


def open_noise(kind: str, seed: int) -> Draw | None:
    """Upstream's noise by its command-line name, one of `NOISES`."""
    if kind not in NOISES:
        raise InputError(f"noise '{kind}' is unknown; valid: {', '.join(NOISES)}")
    if kind == OFF and seed:
        raise InputError(f"seed has no effect without noise; give --noise {REPLAY} or leave it out")
    return replayed(seed) if kind == REPLAY else None
