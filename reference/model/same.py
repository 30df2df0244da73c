"""SAME, Stable Audio 3's autoencoder: audio to latents and back. Nothing random inside: upstream's noise is an argument.

Source: stable-audio-tools 0.0.20 `AudioAutoencoder`, `PatchedPretransform`, `SoftNormBottleneck`. Parameter names are the
official checkpoint's.
"""

import torch
from torch import Tensor, nn

from reference.model.same_halves import Draw, SameDecoder, SameEncoder, pad_to_multiple
from reference.spec.codec.same import SameSpec

LATENT_NOISE = 1e-3  # of the latents' deviation


class SoftNorm(nn.Module):
    """The bottleneck: an affine map per channel, then latents of deviation one. Decoding undoes the deviation only."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scaling_factor = nn.Parameter(torch.ones(1, channels, 1))
        self.bias = nn.Parameter(torch.zeros(1, channels, 1))
        self.noise_scaling_factor = nn.Parameter(torch.ones(1, 0, 1))  # of no channels; the checkpoint has it
        self.running_std = nn.Parameter(torch.ones(1))

    def encode(self, x: Tensor) -> Tensor:
        return (x * self.scaling_factor + self.bias) / self.running_std

    def decode(self, latents: Tensor, draw: Draw | None) -> Tensor:
        scaled = latents * self.running_std
        return scaled if draw is None else scaled + draw(tuple(scaled.shape)) * self.running_std * LATENT_NOISE


def to_patches(audio: Tensor, size: int) -> Tensor:
    """(batch, audio channel, sample) to (batch, channel, patch): `size` samples of each audio channel, then silence."""
    patches = torch.unflatten(pad_to_multiple(audio, size, dim=-1), 2, (-1, size))
    return patches.transpose(2, 3).flatten(1, 2)


def from_patches(patches: Tensor, audio_channels: int) -> Tensor:
    """The inverse, but for the silence."""
    return torch.unflatten(patches, 1, (audio_channels, -1)).transpose(2, 3).flatten(2)


class Same(nn.Module):
    """Both halves and what is between them."""

    def __init__(self, spec: SameSpec) -> None:
        super().__init__()
        self.spec = spec
        self.bottleneck = SoftNorm(spec.latent_channels)
        self.encoder = SameEncoder(spec.encoder, spec.patch_channels, spec.latent_channels)
        self.decoder = SameDecoder(spec.decoder, spec.patch_channels, spec.latent_channels)

    def encode(self, audio: Tensor, draw: Draw | None = None) -> Tensor:
        """(batch, audio channel, sample) -> (batch, latent channel, frame), whole groups of frames: silence is added."""
        return self.bottleneck.encode(self.encoder(to_patches(audio, self.spec.patch_size), draw))

    def decode(self, latents: Tensor, draw: Draw | None = None) -> Tensor:
        """(batch, latent channel, frame) -> (batch, audio channel, sample), of whole groups of frames; not clipped."""
        scaled = self.bottleneck.decode(latents, draw if self.spec.regularized else None)
        return from_patches(self.decoder(scaled, draw), self.spec.audio_channels)
