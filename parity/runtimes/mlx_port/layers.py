"""Parts that several stages share."""

from collections.abc import Callable, Iterable
from typing import Any

import mlx.core as mx
from mlx import nn

LAYER_NORM_EPS = 1e-5


def run(layers: Iterable[Callable[[Any], Any]], x: mx.array) -> mx.array:
    """One layer after the other: a list keeps the reference's parameter names, `nn.Sequential` adds to them."""
    for layer in layers:
        x = layer(x)
    return x


class Identity(nn.Module):
    """Stands where the reference has a layer that does nothing, so that what follows keeps its number."""

    def __call__(self, x: mx.array) -> mx.array:
        return x


class SiLU(nn.Module):
    """x times its sigmoid."""

    def __call__(self, x: mx.array) -> mx.array:
        return x * mx.sigmoid(x)


class LayerNorm(nn.Module):
    """Over the last axis, with gain `gamma` and shift `beta`."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma, self.beta = mx.ones(dim), mx.zeros(dim)

    def __call__(self, x: mx.array) -> mx.array:
        return mx.fast.layer_norm(x, self.gamma, self.beta, LAYER_NORM_EPS)


def projector(dim_in: int, dim_out: int, *, bias: bool) -> list[nn.Module]:
    """Linear, SiLU, linear."""
    return [nn.Linear(dim_in, dim_out, bias=bias), SiLU(), nn.Linear(dim_out, dim_out, bias=bias)]


def split_heads(x: mx.array, head_dim: int) -> mx.array:
    """(batch, position, heads * head_dim) to (batch, head, position, head_dim)."""
    return x.reshape(*x.shape[:2], -1, head_dim).transpose(0, 2, 1, 3)


def merge_heads(x: mx.array) -> mx.array:
    """The inverse of `split_heads`."""
    return x.transpose(0, 2, 1, 3).flatten(-2)
