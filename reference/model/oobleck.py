"""Parts both halves of the Oobleck VAE are built from.

Source: stable-audio-tools `models/autoencoders.py` and `models/blocks.py`; Snake from Ziyin et al. 2020, in the
two-parameter form of BigVGAN (Lee et al. 2023); weight norm from Salimans and Kingma 2016.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SNAKE_EPS = 1e-9
DILATIONS = (1, 3, 9)
UNFOLDED_VALUES = 2**25  # 256 MB in float64


class Snake(nn.Module):
    """x + sin(a x)^2 / b over (batch, channel, sample), with a = exp(alpha), b = exp(beta) per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """In place after the first product: 67 million values, five times allocated, take three times as long."""
        a, b = self.alpha.exp()[None, :, None], self.beta.exp()[None, :, None]
        wave = a * x
        return wave.sin_().square_().mul_(1 / (b + SNAKE_EPS)).add_(x)


class WeightNorm(nn.Module):
    """A kernel stored as length `weight_g` and direction `weight_v`, normed over all axes but the first."""

    def __init__(self, *shape: int, bias_channels: int) -> None:
        super().__init__()
        self.weight_g = nn.Parameter(torch.ones(shape[0], 1, 1))
        self.weight_v = nn.Parameter(torch.ones(shape))
        self.bias = nn.Parameter(torch.zeros(bias_channels)) if bias_channels else None

    def kernel(self) -> Tensor:
        """g * v / |v|."""
        return self.weight_g * self.weight_v / self.weight_v.square().sum((1, 2), keepdim=True).sqrt()


def conv1d(x: Tensor, kernel: Tensor, bias: Tensor | None, stride: int, padding: int, dilation: int) -> Tensor:
    """`F.conv1d`, in float64 a block of output samples at a time.

    torch has no float64 convolution that does not unfold its input, seven times its size: 4 GB in a decoder.
    """
    block = max(1, UNFOLDED_VALUES // (kernel.shape[1] * kernel.shape[2]))
    reach = dilation * (kernel.shape[2] - 1) + 1
    length = (x.shape[-1] + 2 * padding - reach) // stride + 1
    if x.dtype != torch.float64 or length <= block:
        return F.conv1d(x, kernel, bias, stride, padding, dilation)
    padded = F.pad(x, (padding, padding))
    out = x.new_empty((x.shape[0], kernel.shape[0], length))
    for start in range(0, length, block):
        end = min(start + block, length)
        part = padded[..., start * stride : (end - 1) * stride + reach]
        out[..., start:end] = F.conv1d(part, kernel, bias, stride, 0, dilation)
    return out


class Conv(WeightNorm):
    """Weight-normed convolution; kernel (out, in, k)."""

    def __init__(
        self, c_in: int, c_out: int, k: int, *, stride: int = 1, dilation: int = 1, padding: int, bias: bool = True
    ):
        super().__init__(c_out, c_in, k, bias_channels=c_out if bias else 0)
        self.stride, self.dilation, self.padding = stride, dilation, padding

    def forward(self, x: Tensor) -> Tensor:
        return conv1d(x, self.kernel(), self.bias, self.stride, self.padding, self.dilation)


class UpConv(WeightNorm):
    """Weight-normed transposed convolution that multiplies the length by `stride`; kernel (IN, out, k).

    The norm's axis is therefore the input channel, unlike `Conv`'s.
    """

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__(c_in, c_out, 2 * stride, bias_channels=c_out)
        self.stride, self.padding = stride, math.ceil(stride / 2)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose1d(x, self.kernel(), self.bias, self.stride, self.padding)


def activation(use_snake: bool, channels: int) -> nn.Module:
    """Snake, or ELU where the config turns it off."""
    return Snake(channels) if use_snake else nn.ELU()


class ResidualUnit(nn.Module):
    """Activation, dilated convolution, activation, pointwise convolution, added to the input."""

    def __init__(self, channels: int, dilation: int, use_snake: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            activation(use_snake, channels),
            Conv(channels, channels, 7, dilation=dilation, padding=3 * dilation),
            activation(use_snake, channels),
            Conv(channels, channels, 1, padding=0),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)  # type: ignore[no-any-return]


def residual_units(channels: int, use_snake: bool) -> list[nn.Module]:
    """The three residual units of a block."""
    return [ResidualUnit(channels, dilation, use_snake) for dilation in DILATIONS]
