"""The DiT's attention: rotary positions, query/key norm, grouped heads.

Source: stable-audio-tools `models/transformer.py`; RoPE from Su et al. 2021.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reference.spec.model import DiTSpec

ROPE_BASE = 10_000.0
QK_NORM_EPS = 1e-6

Rotate = Callable[[Tensor], Tensor]


def inverse_frequencies(dim: int) -> Tensor:
    """Radians per position of each pair of channels, (dim / 2,). Computed on the CPU: on meta, torch imports its compiler."""
    return (ROPE_BASE ** (-torch.arange(0, dim, 2, device="cpu") / dim)).to(torch.get_default_device())


class RotaryEmbedding(nn.Module):
    """Holds the checkpoint's inverse frequencies and turns a length into cos and sin tables."""

    inv_freq: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("inv_freq", inverse_frequencies(dim))

    def forward(self, length: int) -> tuple[Tensor, Tensor]:
        """cos and sin, each (length, dim): the angles of the first half repeat in the second."""
        position = torch.arange(length, dtype=self.inv_freq.dtype, device=self.inv_freq.device)
        angle = position[:, None] * self.inv_freq[None, :]
        angle = torch.cat([angle, angle], dim=-1)
        return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the first channels of (batch, head, position, channel); channels beyond the table pass through."""
    turned, kept = x[..., : cos.shape[-1]], x[..., cos.shape[-1] :]
    low, high = turned.chunk(2, dim=-1)
    turned = turned * cos + torch.cat([-high, low], dim=-1) * sin
    return torch.cat([turned, kept], dim=-1)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax attention over (batch, head, position, channel), scaled by 1 / sqrt(channel), no mask."""
    scores = (q * (1 / math.sqrt(q.shape[-1]))) @ k.transpose(-1, -2)
    return scores.softmax(-1) @ v


def split_heads(x: Tensor, head_dim: int) -> Tensor:
    """(batch, position, heads * head_dim) to (batch, head, position, head_dim)."""
    return x.view(*x.shape[:-1], -1, head_dim).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """The inverse of `split_heads`."""
    return x.transpose(1, 2).flatten(-2)


class UnitLength(nn.Module):
    """Each head's vector divided by its length."""

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=-1)


def qk_norm(kind: str, head_dim: int) -> nn.Module:
    """The norm on each head's queries or keys: "ln", "l2" or "none"."""
    if kind == "l2":
        return UnitLength()
    return nn.LayerNorm(head_dim, eps=QK_NORM_EPS) if kind == "ln" else nn.Identity()


class SelfAttention(nn.Module):
    """Queries, keys, values from one projection; norm, then RoPE, then attention."""

    def __init__(self, spec: DiTSpec) -> None:
        super().__init__()
        self.head_dim = spec.head_dim
        self.to_qkv = nn.Linear(spec.embed_dim, 3 * spec.embed_dim, bias=False)
        self.to_out = nn.Linear(spec.embed_dim, spec.embed_dim, bias=False)
        self.q_norm, self.k_norm = qk_norm(spec.qk_norm, spec.head_dim), qk_norm(spec.qk_norm, spec.head_dim)

    def forward(self, x: Tensor, turn: Rotate) -> Tensor:
        q, k, v = (split_heads(part, self.head_dim) for part in self.to_qkv(x).chunk(3, dim=-1))
        return self.to_out(merge_heads(attend(turn(self.q_norm(q)), turn(self.k_norm(k)), v)))  # type: ignore[no-any-return]


class CrossAttention(nn.Module):
    """Queries from the sequence, keys and values from the conditioning tokens; no RoPE, no mask.

    Where the conditioning has fewer heads than the sequence, each of its heads serves several query heads in a row.
    """

    def __init__(self, spec: DiTSpec) -> None:
        super().__init__()
        self.head_dim = spec.head_dim
        self.repeats = spec.embed_dim // spec.context_dim
        self.to_q = nn.Linear(spec.embed_dim, spec.embed_dim, bias=False)
        self.to_kv = nn.Linear(spec.context_dim, 2 * spec.context_dim, bias=False)
        self.to_out = nn.Linear(spec.embed_dim, spec.embed_dim, bias=False)
        self.q_norm, self.k_norm = qk_norm(spec.qk_norm, spec.head_dim), qk_norm(spec.qk_norm, spec.head_dim)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        q = split_heads(self.to_q(x), self.head_dim)
        k, v = (split_heads(part, self.head_dim) for part in self.to_kv(context).chunk(2, dim=-1))
        if self.repeats > 1:
            k, v = k.repeat_interleave(self.repeats, dim=1), v.repeat_interleave(self.repeats, dim=1)
        return self.to_out(merge_heads(attend(self.q_norm(q), self.k_norm(k), v)))  # type: ignore[no-any-return]
