"""The Oobleck autoencoder, both halves, as in `reference/model/oobleck.py`, `decoder.py` and `encoder.py`.

Channels last. Weight norm and Snake's exponentials were folded when the file was written, in float64.
"""

import math
from collections.abc import Callable, Iterator

import mlx.core as mx
from mlx import nn

from parity.runtimes.mlx_port.layers import Identity, run
from reference.spec.model import ChunkSpec, OobleckSpec

DILATIONS = (1, 3, 9)
MIN_STD = 1e-4


class Snake(nn.Module):
    """x + sin(a x)^2 / b over (batch, sample, channel)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.a, self.inverse_b = mx.ones(channels), mx.ones(channels)

    def __call__(self, x: mx.array) -> mx.array:
        return x + self.inverse_b * mx.square(mx.sin(self.a * x))


class ELU(nn.Module):
    """x, below zero exp(x) - 1."""

    def __call__(self, x: mx.array) -> mx.array:
        return mx.where(x > 0, x, mx.expm1(mx.minimum(x, 0)))


class Tanh(nn.Module):
    """The hyperbolic tangent."""

    def __call__(self, x: mx.array) -> mx.array:
        return mx.tanh(x)


class Conv1d(nn.Module):
    """A convolution over (batch, position, channel); kernel (out, k, in)."""

    def __init__(self, c_in: int, c_out: int, k: int, *, stride: int = 1, padding: int = 0, bias: bool = True) -> None:
        super().__init__()
        self.weight = mx.zeros((c_out, k, c_in))
        if bias:
            self.bias = mx.zeros(c_out)
        self.stride, self.padding = stride, padding

    def __call__(self, x: mx.array) -> mx.array:
        y = mx.conv1d(x, self.weight, self.stride, self.padding)
        return y + self.bias if "bias" in self else y


class DilatedConv1d(Conv1d):
    """The same of every `dilation`-th position, as long as what it is fed; kernel of odd length.

    Positions `dilation` apart are convolved as a sequence of their own: the same products in the same order, but on a CPU MLX
    leaves dilation to a loop that takes three times as long as its matrix products.
    """

    def __init__(self, c_in: int, c_out: int, k: int, *, dilation: int) -> None:
        super().__init__(c_in, c_out, k, padding=k // 2)
        self.dilation = dilation

    def __call__(self, x: mx.array) -> mx.array:
        batch, length, channels = x.shape
        x = mx.pad(x, ((0, 0), (0, -length % self.dilation), (0, 0)))
        apart = x.reshape(batch, -1, self.dilation, channels).swapaxes(1, 2).flatten(0, 1)
        y = super().__call__(apart).reshape(batch, self.dilation, apart.shape[1], -1)
        return y.swapaxes(1, 2).flatten(1, 2)[:, :length]


class UpConv1d(nn.Module):
    """A transposed convolution that multiplies the length by `stride`; kernel (out, k, in).

    One matrix product gives what each position adds to the `stride` positions of its own and to those of the next one. On a CPU
    MLX's own transposed convolution is a loop, which multiplies the zeros between positions, too.
    """

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.weight, self.bias = mx.zeros((c_out, 2 * stride, c_in)), mx.zeros(c_out)
        self.stride, self.padding = stride, math.ceil(stride / 2)

    def __call__(self, x: mx.array) -> mx.array:
        batch, out = x.shape[0], self.bias.size
        own, next_one = mx.split(x @ self.weight.swapaxes(0, 1).flatten(0, 1).T, 2, axis=-1)
        y = mx.pad(own, ((0, 0), (0, 1), (0, 0))) + mx.pad(next_one, ((0, 0), (1, 0), (0, 0)))
        return y.reshape(batch, -1, out)[:, self.padding : -self.padding] + self.bias


def activation(use_snake: bool, channels: int) -> nn.Module:
    """Snake, or ELU where the config turns it off."""
    return Snake(channels) if use_snake else ELU()


class ResidualUnit(nn.Module):
    """Activation, dilated convolution, activation, pointwise convolution, added to the input."""

    def __init__(self, channels: int, dilation: int, use_snake: bool) -> None:
        super().__init__()
        self.layers = [
            activation(use_snake, channels),
            DilatedConv1d(channels, channels, 7, dilation=dilation),
            activation(use_snake, channels),
            Conv1d(channels, channels, 1),
        ]

    def __call__(self, x: mx.array) -> mx.array:
        return x + run(self.layers, x)


def residual_units(channels: int, use_snake: bool) -> list[nn.Module]:
    """The three residual units of a block."""
    return [ResidualUnit(channels, dilation, use_snake) for dilation in DILATIONS]


class DecoderBlock(nn.Module):
    """Activation, upsampling, three residual units."""

    def __init__(self, c_in: int, c_out: int, stride: int, use_snake: bool) -> None:
        super().__init__()
        self.layers = [activation(use_snake, c_in), UpConv1d(c_in, c_out, stride), *residual_units(c_out, use_snake)]

    def __call__(self, x: mx.array) -> mx.array:
        return run(self.layers, x)


class EncoderBlock(nn.Module):
    """Three residual units, activation, downsampling."""

    def __init__(self, c_in: int, c_out: int, stride: int, use_snake: bool) -> None:
        super().__init__()
        down = Conv1d(c_in, c_out, 2 * stride, stride=stride, padding=math.ceil(stride / 2))
        self.layers = [*residual_units(c_in, use_snake), activation(use_snake, c_in), down]

    def __call__(self, x: mx.array) -> mx.array:
        return run(self.layers, x)


class Decoder(nn.Module):
    """The stage `decoder`."""

    def __init__(self, spec: OobleckSpec, chunks: ChunkSpec | None) -> None:
        super().__init__()
        self.chunks, self.ratio = chunks, spec.ratio
        widths = spec.widths
        blocks = [
            DecoderBlock(widths[i + 1], widths[i], spec.strides[i], spec.use_snake) for i in reversed(range(len(spec.strides)))
        ]
        self.layers = [
            Conv1d(spec.latent_dim, widths[-1], 7, padding=3),
            *blocks,
            activation(spec.use_snake, widths[0]),
            Conv1d(widths[0], spec.audio_channels, 7, padding=3, bias=False),
            Tanh() if spec.final_tanh else Identity(),
        ]

    def __call__(self, latents: mx.array) -> dict[str, mx.array]:
        """(batch, latent channel, frame) -> audio (batch, audio channel, frame * ratio)."""
        decoded = in_windows(latents.swapaxes(1, 2), lambda window: run(self.layers, window), self.chunks, 1, self.ratio)
        return {"audio": decoded.swapaxes(1, 2)}


class Encoder(nn.Module):
    """The stage `encoder`. Nothing random inside: the bottleneck's noise is an input."""

    def __init__(self, spec: OobleckSpec, chunks: ChunkSpec | None) -> None:
        super().__init__()
        self.chunks, self.ratio = chunks, spec.ratio
        widths = spec.widths
        blocks = [EncoderBlock(widths[i], widths[i + 1], spec.strides[i], spec.use_snake) for i in range(len(spec.strides))]
        self.layers = [
            Conv1d(spec.audio_channels, widths[0], 7, padding=3),
            *blocks,
            activation(spec.use_snake, widths[-1]),
            Conv1d(widths[-1], spec.latent_dim, 3, padding=1),
        ]

    def __call__(self, audio: mx.array, encoder_noise: mx.array) -> dict[str, mx.array]:
        """audio (batch, audio channel, sample), encoder_noise (batch, latent channel, frame) -> init_latents, like the noise."""
        encoded = in_windows(audio.swapaxes(1, 2), lambda window: run(self.layers, window), self.chunks, self.ratio, 1)
        mean, scale = mx.split(encoded.swapaxes(1, 2), 2, axis=1)
        return {"init_latents": mean + (mx.logaddexp(scale, 0) + MIN_STD) * encoder_noise}


def in_windows(
    x: mx.array, code: Callable[[mx.array], mx.array], chunks: ChunkSpec | None, taken: int, given: int
) -> mx.array:
    """`code` over (batch, position, channel), in overlapping windows where there are `chunks`. A latent frame is `taken`
    positions of what it is fed, and `given` of what it answers."""
    if chunks is None:
        return code(x)
    return mx.concatenate(list(_windows(x, code, chunks, taken, given)), axis=1)


def _windows(
    x: mx.array, code: Callable[[mx.array], mx.array], chunks: ChunkSpec, taken: int, given: int
) -> Iterator[mx.array]:
    for start, begin, end in chunks.windows(x.shape[1] // taken):
        window = code(x[:, start * taken : (start + chunks.frames) * taken])
        yield window[:, (begin - start) * given : (end - start) * given]
