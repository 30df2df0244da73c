"""Rewrites that make modules convert well. Each returns a changed copy that computes the same function.

`litert_pipeline/test_rewrites.py` holds every one of them to the original.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reference.model.attention import RotaryEmbedding
from reference.model.oobleck import SNAKE_EPS, Conv, Snake, UpConv, conv1d


class FrozenRope(nn.Module):
    """RoPE tables of one length as constants, computed in float64: a device never evaluates a cosine.

    In FP16 compute an angle of 257 radians would be rounded to a quarter of a radian before its cosine is taken.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, rope: RotaryEmbedding, length: int) -> None:
        super().__init__()
        exact = copy.deepcopy(rope).double()
        for name, table in zip(("cos", "sin"), exact(length), strict=True):
            self.register_buffer(name, table.to(rope.inv_freq.dtype))

    def forward(self, length: int) -> tuple[Tensor, Tensor]:
        if length != self.cos.shape[0]:
            raise ValueError(f"RoPE was frozen for {self.cos.shape[0]} positions, asked for {length}")
        return self.cos, self.sin


class PlainSnake(nn.Module):
    """Snake with exponentials and reciprocal taken beforehand, so that the 1e-9 never meets FP16."""

    a: Tensor
    inverse_b: Tensor

    def __init__(self, snake: Snake) -> None:
        super().__init__()
        alpha, beta = snake.alpha.double(), snake.beta.double()
        self.register_buffer("a", alpha.exp()[None, :, None].to(snake.alpha.dtype))
        self.register_buffer("inverse_b", (1 / (beta.exp() + SNAKE_EPS))[None, :, None].to(snake.beta.dtype))

    def forward(self, x: Tensor) -> Tensor:
        wave = torch.sin(self.a * x)
        return x + self.inverse_b * (wave * wave)


class PlainConv(nn.Module):
    """A convolution whose kernel is a stored tensor, no longer a length and a direction."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, conv: Conv) -> None:
        super().__init__()
        self.register_buffer("weight", _kernel(conv))
        self.register_buffer("bias", conv.bias)
        self.stride, self.padding, self.dilation = conv.stride, conv.padding, conv.dilation

    def forward(self, x: Tensor) -> Tensor:
        return conv1d(x, self.weight, self.bias, self.stride, self.padding, self.dilation)


class PlainUpConv(nn.Module):
    """The same for the transposed convolution."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, conv: UpConv) -> None:
        super().__init__()
        self.register_buffer("weight", _kernel(conv))
        self.register_buffer("bias", conv.bias)
        self.stride, self.padding = conv.stride, conv.padding

    def forward(self, x: Tensor) -> Tensor:
        return F.conv_transpose1d(x, self.weight, self.bias, self.stride, self.padding)


def _kernel(conv: Conv | UpConv) -> Tensor:
    """The kernel, normed in float64 and rounded once."""
    return copy.deepcopy(conv).double().kernel().detach().to(conv.weight_v.dtype)


def freeze_rope(dit: nn.Module, positions: int) -> nn.Module:
    """RoPE tables for a sequence of `positions`, a prepended global token included."""
    return replaced(dit, {RotaryEmbedding: lambda rope: FrozenRope(rope, positions)})


def fold_oobleck(module: nn.Module) -> nn.Module:
    """Weight norm and Snake's exponentials folded into constants."""
    return replaced(module, {Conv: PlainConv, UpConv: PlainUpConv, Snake: PlainSnake})


def replaced(module: nn.Module, table: dict[type[nn.Module], Callable[..., nn.Module]]) -> nn.Module:
    """A copy of `module` with every part whose type is in `table` replaced; what stays shares its weights."""
    changed = copy.deepcopy(module, {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())})
    for path, part in list(changed.named_modules()):
        if type(part) in table:
            parent, _, name = path.rpartition(".")
            setattr(changed.get_submodule(parent), name, table[type(part)](part))
    return changed.eval().requires_grad_(False)
