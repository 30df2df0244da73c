"""Oobleck decoder: latents to stereo audio. Source: stable-audio-tools `OobleckDecoder`."""

import torch
from torch import Tensor, nn

from reference.model.oobleck import Conv, UpConv, activation, residual_units
from reference.spec.model import ChunkSpec, OobleckSpec


class DecoderBlock(nn.Module):
    """Activation, upsampling, three residual units."""

    def __init__(self, c_in: int, c_out: int, stride: int, use_snake: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            activation(use_snake, c_in), UpConv(c_in, c_out, stride), *residual_units(c_out, use_snake)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """The stage `decoder`."""

    def __init__(self, spec: OobleckSpec, chunks: ChunkSpec | None = None) -> None:
        super().__init__()
        self.chunks, self.ratio = chunks, spec.ratio
        widths = spec.widths
        blocks = [
            DecoderBlock(widths[i + 1], widths[i], spec.strides[i], spec.use_snake)
            for i in reversed(range(len(spec.strides)))
        ]
        self.layers = nn.Sequential(
            Conv(spec.latent_dim, widths[-1], 7, padding=3),
            *blocks,
            activation(spec.use_snake, widths[0]),
            Conv(widths[0], spec.audio_channels, 7, padding=3, bias=False),
            nn.Tanh() if spec.final_tanh else nn.Identity(),
        )

    def forward(self, latents: Tensor) -> dict[str, Tensor]:
        """(batch, latent channel, frame) -> audio (batch, audio channel, frame * ratio)."""
        if self.chunks is None:
            return {"audio": self.layers(latents)}
        pieces = []
        for start, begin, end in self.chunks.windows(latents.shape[2]):
            window = self.layers(latents[:, :, start : start + self.chunks.frames])
            pieces.append(window[:, :, (begin - start) * self.ratio : (end - start) * self.ratio])
        return {"audio": torch.cat(pieces, dim=2)}
