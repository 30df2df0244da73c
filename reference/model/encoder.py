"""Oobleck encoder and VAE bottleneck: stereo audio to latents. Source: stable-audio-tools `OobleckEncoder`,
`VAEBottleneck`."""

import math

from torch import Tensor, nn
from torch.nn import functional as F

from reference.model.oobleck import Conv, activation, residual_units
from reference.spec.model import OobleckSpec

MIN_STD = 1e-4


class EncoderBlock(nn.Module):
    """Three residual units, activation, downsampling."""

    def __init__(self, c_in: int, c_out: int, stride: int, use_snake: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *residual_units(c_in, use_snake),
            activation(use_snake, c_in),
            Conv(c_in, c_out, 2 * stride, stride=stride, padding=math.ceil(stride / 2)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)  # type: ignore[no-any-return]


class Encoder(nn.Module):
    """The stage `encoder`. Nothing random inside: the bottleneck's noise is an input."""

    def __init__(self, spec: OobleckSpec) -> None:
        super().__init__()
        widths = spec.widths
        blocks = [
            EncoderBlock(widths[i], widths[i + 1], spec.strides[i], spec.use_snake) for i in range(len(spec.strides))
        ]
        self.layers = nn.Sequential(
            Conv(spec.audio_channels, widths[0], 7, padding=3),
            *blocks,
            activation(spec.use_snake, widths[-1]),
            Conv(widths[-1], spec.latent_dim, 3, padding=1),
        )

    def forward(self, audio: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """audio (batch, audio channel, sample), noise (batch, latent channel, frame) -> latents like noise."""
        mean, scale = self.layers(audio).chunk(2, dim=1)
        return {"latents": mean + (F.softplus(scale) + MIN_STD) * noise}
