"""SAME's encoder and decoder: patches of audio to latent frames, and back.

Each frame is a group of tokens, `stride` for its patches and one for itself. Source: stable-audio-tools 0.0.20
`models/autoencoders.py` (`SAMEEncoder`, `SAMEDecoder`, `TransformerResamplingBlock`).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reference.model.oobleck import Conv
from reference.model.same_blocks import blocks_of, run_blocks
from reference.spec.codec.same import SameHalfSpec

Draw = Callable[[tuple[int, ...]], Tensor]  # normals of a shape: what upstream draws, if it is to be replayed


def pad_to_multiple(x: Tensor, size: int, dim: int) -> Tensor:
    """Zeros behind the end of a dimension, -1 or -2, up to a multiple of `size`."""
    missing = -x.shape[dim] % size
    return F.pad(x, (0, missing) if dim == -1 else (0, 0, 0, missing))


class Resampling(nn.Module):
    """What gathers patches into frames and what spreads them again have in common: mapping, learned tokens, blocks."""

    def __init__(self, spec: SameHalfSpec, c_in: int, c_out: int, new: int) -> None:
        """`new` tokens of a group are learned, not made of the input."""
        super().__init__()
        self.spec, self.new = spec, new
        self.mapping = Conv(c_in, c_out, spec.mapping_taps, padding=spec.mapping_taps // 2)
        self.new_tokens = nn.Parameter(torch.zeros(1, 1 if spec.one_token else new, spec.width))
        self.transformers = blocks_of(spec)

    def groups(self, x: Tensor, draw: Draw | None) -> Tensor:
        """(batch, token, dim) of the input to whole groups, (batch, frame, token, dim): its own tokens, then learned ones."""
        own = torch.unflatten(x, 1, (-1, self.spec.group - self.new))
        learned = self.new_tokens.expand(own.shape[0] * own.shape[1], self.new, -1)
        if draw is not None and self.spec.token_noise > 0:
            learned = learned + draw(tuple(learned.shape)) * self.spec.token_noise
        return torch.cat([own, torch.unflatten(learned, 0, own.shape[:2])], dim=2)

    def through_blocks(self, groups: Tensor) -> Tensor:
        """The learned tokens as they come out, (batch, token, dim)."""
        x = run_blocks(self.transformers, groups.flatten(1, 2), self.spec)
        return torch.unflatten(x, 1, groups.shape[1:3])[:, :, -self.new :].flatten(1, 2)


class Gather(Resampling):
    """Patches to one token each frame."""

    def __init__(self, spec: SameHalfSpec, patch_channels: int) -> None:
        super().__init__(spec, patch_channels, spec.width, new=1)

    def forward(self, patches: Tensor, draw: Draw | None) -> Tensor:
        """(batch, channel, patch) -> (batch, frame, dim). Zeros are added before the mapping, so silence is its bias."""
        patches = pad_to_multiple(patches, self.spec.alignment * self.spec.stride, dim=-1)
        return self.through_blocks(self.groups(self.mapping(patches).transpose(1, 2), draw))


class Spread(Resampling):
    """One token each frame to patches."""

    def __init__(self, spec: SameHalfSpec, patch_channels: int) -> None:
        super().__init__(spec, spec.width, patch_channels, new=spec.stride)

    def forward(self, frames: Tensor, draw: Draw | None) -> Tensor:
        """(batch, frame, dim) -> (batch, channel, patch), for whole groups of frames: zeros are added."""
        frames = pad_to_multiple(frames, self.spec.alignment, dim=-2)
        return self.mapping(self.through_blocks(self.groups(frames, draw)).transpose(1, 2))  # type: ignore[no-any-return]


class SameEncoder(nn.Module):
    """Patches (batch, channel, patch) -> (batch, latent channel, frame). Positions 1 and 3 have no weights upstream."""

    def __init__(self, spec: SameHalfSpec, patch_channels: int, latent_channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [Gather(spec, patch_channels), nn.Identity(), nn.Linear(spec.width, latent_channels), nn.Identity()]
        )

    def forward(self, patches: Tensor, draw: Draw | None = None) -> Tensor:
        return self.layers[2](self.layers[0](patches, draw)).transpose(1, 2)  # type: ignore[no-any-return]


class SameDecoder(nn.Module):
    """Latents (batch, latent channel, frame) -> (batch, channel, patch). Positions 0 and 2 have no weights upstream."""

    def __init__(self, spec: SameHalfSpec, patch_channels: int, latent_channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [nn.Identity(), nn.Linear(latent_channels, spec.width), nn.Identity(), Spread(spec, patch_channels)]
        )

    def forward(self, latents: Tensor, draw: Draw | None = None) -> Tensor:
        return self.layers[3](self.layers[1](latents.transpose(1, 2)), draw)  # type: ignore[no-any-return]
