"""The Oobleck VAE as LiteRT's kernels like it: channels last, every product a 2-d convolution or a dense layer.

Converted as it stands, a decoder of 1-d convolutions is surrounded by transposes, and its transposed convolutions lie along
the axis that XNNPACK handles one sample at a time and in an operator that cannot be quantized.
"""

import math
from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from litert_pipeline.build.rewrites import PlainConv, PlainSnake, PlainUpConv, replaced
from litert_pipeline.build.windows import WHOLE_LAYERS, WINDOW_FRAMES, Windows
from reference.model.decoder import Decoder
from reference.model.encoder import Encoder


class LastSnake(nn.Module):
    """Snake over (batch, 1, sample, channel)."""

    a: Tensor
    inverse_b: Tensor

    def __init__(self, snake: PlainSnake) -> None:
        super().__init__()
        self.register_buffer("a", snake.a.flatten())
        self.register_buffer("inverse_b", snake.inverse_b.flatten())

    def forward(self, x: Tensor) -> Tensor:
        wave = torch.sin(self.a * x)
        return x + self.inverse_b * (wave * wave)


class LastConv(nn.Module):
    """A convolution over (batch, 1, sample, channel); the kernel is (out, in, 1, k)."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, conv: PlainConv) -> None:
        super().__init__()
        self.register_buffer("weight", conv.weight[:, :, None, :])
        self.register_buffer("bias", conv.bias)
        self.stride, self.padding, self.dilation = conv.stride, conv.padding, conv.dilation

    def forward(self, x: Tensor) -> Tensor:
        """The converter lets these transposes meet those of the neighbours, and none is left."""
        stride, padding, dilation = (1, self.stride), (0, self.padding), (1, self.dilation)
        return F.conv2d(x.permute(0, 3, 1, 2), self.weight, self.bias, stride, padding, dilation).permute(0, 2, 3, 1)


class Pointwise(nn.Module):
    """A convolution with a kernel of one sample: a dense layer. Quantized, each sample then has a scale of its own."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, conv: PlainConv) -> None:
        super().__init__()
        self.register_buffer("weight", conv.weight[:, :, 0])
        self.register_buffer("bias", conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class LastUpConv(nn.Module):
    """A transposed convolution of kernel 2 * stride: a dense layer from two neighbouring frames to `stride` samples.

    Sample n * stride + r, counted from the start of the padding, has the taps r of frame n and r + stride of frame n - 1.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, conv: PlainUpConv) -> None:
        super().__init__()
        c_in, c_out, taps = conv.weight.shape
        self.stride, self.padding, self.c_out = conv.stride, conv.padding, c_out
        assert taps == 2 * conv.stride, "as Oobleck's are"
        later, earlier = conv.weight[..., : conv.stride], conv.weight[..., conv.stride :]
        both = torch.cat([earlier, later]).permute(2, 1, 0)  # (sample, out, frame and in)
        self.register_buffer("weight", both.reshape(conv.stride * c_out, 2 * c_in))
        self.register_buffer("bias", None if conv.bias is None else conv.bias.repeat(conv.stride))

    def forward(self, x: Tensor) -> Tensor:
        pairs = torch.cat([F.pad(x, (0, 0, 1, 0)), F.pad(x, (0, 0, 0, 1))], dim=-1)
        samples = F.linear(pairs, self.weight, self.bias).reshape(x.shape[0], 1, -1, self.c_out)
        return samples[:, :, self.padding : samples.shape[2] - self.padding]


ANY_ORDER = (LastSnake, LastConv, Pointwise, LastUpConv, nn.ELU, nn.Tanh, nn.Identity)


class ChannelsLast(nn.Sequential):
    """Layers over (batch, channel, sample) whose parts take (batch, 1, sample, channel).

    With `windows` those from `WHOLE_LAYERS` on run once for every window.
    """

    windows: Windows | None = None

    def forward(self, x: Tensor) -> Tensor:
        x, layers = x.transpose(1, 2)[:, None], list(self)
        if self.windows is None:
            x = _through(layers, x)
        else:
            x = self.windows.run(partial(_through, layers[WHOLE_LAYERS:]), _through(layers[:WHOLE_LAYERS], x))
        return x[:, 0].transpose(1, 2)


def _through(layers: Iterable[nn.Module], x: Tensor) -> Tensor:
    for layer in layers:
        x = layer(x)
    return x


def channels_last(folded: nn.Module) -> nn.Module:
    """A folded encoder or decoder (`fold_oobleck`) with channels last inside; paths of its parts stay as they are.

    Raises TypeError for a part that may not care for the order of axes it was written for.
    """
    assert isinstance(folded, (Decoder, Encoder))
    changed = replaced(folded, {PlainSnake: LastSnake, PlainConv: _conv, PlainUpConv: LastUpConv})
    foreign = {type(part).__name__ for part in changed.modules() if not list(part.children())} - {k.__name__ for k in ANY_ORDER}
    if foreign:
        raise TypeError(f"{', '.join(sorted(foreign))}: not known with channels last")
    assert isinstance(changed.layers, nn.Sequential)
    changed.layers = ChannelsLast(*changed.layers)
    return changed


def windowed(decoder: nn.Module, frames: int = WINDOW_FRAMES) -> nn.Module:
    """A decoder with channels last (`channels_last`), its last layers in windows of `frames`. The decoder is changed."""
    layers = decoder.layers
    assert isinstance(layers, ChannelsLast)
    whole, tail = (nn.Sequential(*part) for part in (list(layers)[:WHOLE_LAYERS], list(layers)[WHOLE_LAYERS:]))
    layers.windows = Windows(advance=frames * upsampling(whole), halo=reach(tail), ratio=upsampling(tail))
    return decoder


def reach(layers: nn.Module) -> int:
    """How many input samples to either side an output sample of the layers can see."""
    samples = 0
    for part in reversed(list(layers.modules())):
        if isinstance(part, LastConv):
            samples += part.dilation * (part.weight.shape[3] - 1) // 2
        elif isinstance(part, LastUpConv):
            samples = (samples + 2 * part.stride - 1 - part.padding) // part.stride
    return samples


def upsampling(layers: nn.Module) -> int:
    """How many output samples the layers make of one."""
    return math.prod(part.stride for part in layers.modules() if isinstance(part, LastUpConv))


def _conv(conv: PlainConv) -> nn.Module:
    return Pointwise(conv) if conv.weight.shape[2] == 1 else LastConv(conv)
