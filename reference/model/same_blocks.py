"""SAME's transformer blocks, and how a sequence is cut for them.

Source: stable-audio-tools 0.0.20 `models/transformer.py` (`TransformerBlock`, `FeedForward`) and `models/autoencoders.py`
(`TransformerResamplingBlock`).
"""

from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reference.model.attention import RotaryEmbedding, attend, rotate
from reference.model.same_attention import Attend, Band, DifferentialAttention, DyT
from reference.spec.codec.same import BandSpec, ChunkedSpec, SameHalfSpec

FF_MULT = 3
PI = 3.14159265359  # as upstream writes it, a float32's worth


def sine(gate: Tensor) -> Tensor:
    """The activation of sinusoidal blocks."""
    return torch.sin(PI * gate)


class Gated(nn.Module):
    """One projection; its first half times the activation of its second."""

    def __init__(self, dim: int, inner: int, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.activation = activation
        self.proj = nn.Linear(dim, 2 * inner)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * self.activation(gate)  # type: ignore[no-any-return]


class FeedForward(nn.Module):
    """Gated and a linear layer; position 1 of the sequence has no weights upstream."""

    def __init__(self, dim: int, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        inner = FF_MULT * dim
        self.ff = nn.Sequential(Gated(dim, inner, activation), nn.Identity(), nn.Linear(inner, dim))

    def forward(self, x: Tensor) -> Tensor:
        return self.ff(x)  # type: ignore[no-any-return]


class Block(nn.Module):
    """Differential attention and feed-forward, DyT before each, added after."""

    def __init__(self, dim: int, head_dim: int, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.pre_norm, self.self_attn = DyT(dim), DifferentialAttention(dim, head_dim)
        self.ff_norm, self.ff = DyT(dim), FeedForward(dim, activation)
        self.rope = RotaryEmbedding(head_dim // 2)

    def forward(self, x: Tensor, attend: Attend) -> Tensor:
        """(sequence, position, dim); positions count from 0 in every sequence."""
        cos, sin = self.rope(x.shape[1])
        x = x + self.self_attn(self.pre_norm(x), partial(rotate, cos=cos, sin=sin), attend)
        return x + self.ff(self.ff_norm(x))  # type: ignore[no-any-return]


def blocks_of(spec: SameHalfSpec) -> nn.ModuleList:
    """The blocks of an encoder or decoder."""
    kinds = [sine if spec.is_sinusoidal(index) else F.silu for index in range(spec.depth)]
    return nn.ModuleList([Block(spec.width, spec.head_dim, kind) for kind in kinds])


def run_blocks(blocks: nn.ModuleList, x: Tensor, spec: SameHalfSpec) -> Tensor:
    """(batch, token, dim) through all blocks; as many tokens as whole groups of frames have."""
    if isinstance(spec.attention, BandSpec):
        return in_turn(blocks, x, Band(spec.group, spec.attention.left, spec.attention.right))
    return _in_chunks(blocks, x, spec.group, spec.attention)


def _in_chunks(blocks: nn.ModuleList, x: Tensor, group: int, chunks: ChunkedSpec) -> Tensor:
    """In chunks that do not see each other; where they are shifted, the second half of the blocks sees across their edges.

    For that, half a chunk is repeated at both ends of what the first half of the blocks made, and dropped again.
    """
    tokens = chunks.frames * group
    if not chunks.shifted:
        return chunk_by_chunk(blocks, x, tokens)
    split, shift = len(blocks) // 2, tokens // 2
    x = chunk_by_chunk(blocks[:split], x, tokens)
    x = torch.cat([x[:, :shift], x, x[:, -shift:]], dim=1)
    return chunk_by_chunk(blocks[split:], x, tokens)[:, shift:-shift]


def chunk_by_chunk(blocks: Iterable[nn.Module], x: Tensor, tokens: int) -> Tensor:
    """(batch, token, dim) through blocks that see `tokens` of it at a time."""
    chunks = torch.unflatten(x, 1, (-1, tokens))
    done = in_turn(blocks, chunks.flatten(0, 1), attend)
    return torch.unflatten(done, 0, chunks.shape[:2]).flatten(1, 2)


def in_turn(blocks: Iterable[nn.Module], x: Tensor, attend: Attend) -> Tensor:
    """Through one block after the other."""
    for block in blocks:
        x = block(x, attend)
    return x
