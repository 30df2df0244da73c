"""Oobleck encoder and VAE bottleneck: stereo audio to latents. Source: stable-audio-tools `OobleckEncoder`,
`VAEBottleneck`."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reference.model.oobleck import Conv, activation, residual_units
from reference.spec.model import ChunkSpec, OobleckSpec

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

    def __init__(self, spec: OobleckSpec, chunks: ChunkSpec | None = None) -> None:
        super().__init__()
        self.chunks, self.ratio = chunks, spec.ratio
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

    def forward(self, audio: Tensor, encoder_noise: Tensor) -> dict[str, Tensor]:
        """audio (batch, audio channel, sample), encoder_noise (batch, latent channel, frame) -> init_latents, like
        the noise."""
        mean, scale = self._mean_and_scale(audio).chunk(2, dim=1)
        return {"init_latents": mean + (F.softplus(scale) + MIN_STD) * encoder_noise}

    def _mean_and_scale(self, audio: Tensor) -> Tensor:
        """Mean and scale of every latent, (batch, 2 * latent channel, frame)."""
        if self.chunks is None:
            return self.layers(audio)  # type: ignore[no-any-return]
        pieces = []
        for start, begin, end in self.chunks.windows(audio.shape[2] // self.ratio):
            window = audio[:, :, start * self.ratio : (start + self.chunks.frames) * self.ratio]
            pieces.append(self.layers(window)[:, :, begin - start : end - start])
        return torch.cat(pieces, dim=2)
