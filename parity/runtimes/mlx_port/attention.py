"""The DiT's attention: rotary positions, query/key norm, grouped heads, as in `reference/model/attention.py`."""

from collections.abc import Callable, Mapping

import mlx.core as mx
from mlx import nn

from parity.runtimes.mlx_port.layers import Identity, merge_heads, split_heads
from reference.spec.model import DiTSpec

QK_NORM_EPS = 1e-6
LEAST_LENGTH = 1e-12  # of a head's vector that is divided by its length


class RotaryEmbedding(nn.Module):
    """Turns the first channels of each head by the checkpoint's own frequencies; channels beyond them pass through."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.inv_freq = mx.zeros(dim // 2)

    def __call__(self, x: mx.array) -> mx.array:
        """x (batch, head, position, channel) turned. MLX takes wavelengths over 2 pi and computes angles in float32."""
        turned = 2 * self.inv_freq.size
        return mx.fast.rope(x, turned, traditional=False, base=None, scale=1.0, offset=0, freqs=1 / self.inv_freq)


class UnitLength(nn.Module):
    """Each head's vector divided by its length."""

    def __call__(self, x: mx.array) -> mx.array:
        length = mx.sqrt(mx.square(x).sum(-1, keepdims=True))
        return x / mx.maximum(length, LEAST_LENGTH)


QK_NORMS: Mapping[str, Callable[[int], nn.Module]] = {  # of heads of so many channels
    "none": lambda _: Identity(),
    "l2": lambda _: UnitLength(),
    "ln": lambda head_dim: nn.LayerNorm(head_dim, eps=QK_NORM_EPS),
}


def qk_norm(kind: str, head_dim: int) -> nn.Module:
    """The norm on each head's queries or keys, one of `QK_NORMS`."""
    return QK_NORMS[kind](head_dim)


def attend(q: mx.array, k: mx.array, v: mx.array) -> mx.array:
    """Softmax attention over (batch, head, position, channel), scaled by 1 / sqrt(channel), no mask. Where there are fewer
    heads of keys than of queries, each serves several query heads in a row."""
    return merge_heads(mx.fast.scaled_dot_product_attention(q, k, v, scale=q.shape[-1] ** -0.5))


class SelfAttention(nn.Module):
    """Queries, keys, values from one projection; norm, then RoPE, then attention."""

    def __init__(self, spec: DiTSpec) -> None:
        super().__init__()
        self.head_dim = spec.head_dim
        self.to_qkv = nn.Linear(spec.embed_dim, 3 * spec.embed_dim, bias=False)
        self.to_out = nn.Linear(spec.embed_dim, spec.embed_dim, bias=False)
        self.q_norm, self.k_norm = qk_norm(spec.qk_norm, spec.head_dim), qk_norm(spec.qk_norm, spec.head_dim)

    def __call__(self, x: mx.array, rope: RotaryEmbedding) -> mx.array:
        q, k, v = (split_heads(part, self.head_dim) for part in mx.split(self.to_qkv(x), 3, axis=-1))
        return self.to_out(attend(rope(self.q_norm(q)), rope(self.k_norm(k)), v))


class CrossAttention(nn.Module):
    """Queries from the sequence, keys and values from the conditioning tokens; no RoPE, no mask."""

    def __init__(self, spec: DiTSpec) -> None:
        super().__init__()
        self.head_dim = spec.head_dim
        self.to_q = nn.Linear(spec.embed_dim, spec.embed_dim, bias=False)
        self.to_kv = nn.Linear(spec.context_dim, 2 * spec.context_dim, bias=False)
        self.to_out = nn.Linear(spec.embed_dim, spec.embed_dim, bias=False)
        self.q_norm, self.k_norm = qk_norm(spec.qk_norm, spec.head_dim), qk_norm(spec.qk_norm, spec.head_dim)

    def __call__(self, x: mx.array, context: mx.array) -> mx.array:
        q = split_heads(self.to_q(x), self.head_dim)
        k, v = (split_heads(part, self.head_dim) for part in mx.split(self.to_kv(context), 2, axis=-1))
        return self.to_out(attend(self.q_norm(q), self.k_norm(k), v))
