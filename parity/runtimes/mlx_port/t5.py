"""T5 encoder. Source: Raffel et al. 2020, as in `reference/model/t5.py`."""

from typing import Any

import mlx.core as mx
from mlx import nn

from parity.runtimes.mlx_port.layers import merge_heads, split_heads
from reference.spec.model import T5Spec
from reference.spec.t5_positions import relative_position_buckets


class RMSNorm(nn.Module):
    """T5's layer norm: no mean, no shift."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.weight = mx.ones(dim)
        self.eps = eps

    def __call__(self, x: mx.array) -> mx.array:
        return mx.fast.rms_norm(x, self.weight, self.eps)


class SelfAttention(nn.Module):
    """Attention without 1/sqrt(d); the position bias is added to the scores."""

    def __init__(self, spec: T5Spec, has_bias_table: bool) -> None:
        super().__init__()
        inner = spec.num_heads * spec.d_kv
        self.head_dim = spec.d_kv
        self.q = nn.Linear(spec.d_model, inner, bias=False)
        self.k = nn.Linear(spec.d_model, inner, bias=False)
        self.v = nn.Linear(spec.d_model, inner, bias=False)
        self.o = nn.Linear(inner, spec.d_model, bias=False)
        if has_bias_table:
            self.relative_attention_bias = nn.Embedding(spec.relative_attention_num_buckets, spec.num_heads)

    def __call__(self, x: mx.array, bias: mx.array) -> mx.array:
        q, k, v = (split_heads(project(x), self.head_dim) for project in (self.q, self.k, self.v))
        return self.o(merge_heads(mx.fast.scaled_dot_product_attention(q, k, v, scale=1.0, mask=bias)))


class FeedForward(nn.Module):
    """Linear, ReLU, linear; no biases."""

    def __init__(self, spec: T5Spec) -> None:
        super().__init__()
        self.wi = nn.Linear(spec.d_model, spec.d_ff, bias=False)
        self.wo = nn.Linear(spec.d_ff, spec.d_model, bias=False)

    def __call__(self, x: mx.array) -> mx.array:
        return self.wo(mx.maximum(self.wi(x), 0))


class AttentionLayer(nn.Module):
    """Norm, attention, residual."""

    def __init__(self, spec: T5Spec, has_bias_table: bool) -> None:
        super().__init__()
        self.SelfAttention = SelfAttention(spec, has_bias_table)
        self.layer_norm = RMSNorm(spec.d_model, spec.layer_norm_epsilon)

    def __call__(self, x: mx.array, bias: mx.array) -> mx.array:
        return x + self.SelfAttention(self.layer_norm(x), bias)


class FeedForwardLayer(nn.Module):
    """Norm, feed-forward, residual."""

    def __init__(self, spec: T5Spec) -> None:
        super().__init__()
        self.DenseReluDense = FeedForward(spec)
        self.layer_norm = RMSNorm(spec.d_model, spec.layer_norm_epsilon)

    def __call__(self, x: mx.array) -> mx.array:
        return x + self.DenseReluDense(self.layer_norm(x))


class Block(nn.Module):
    """One encoder block."""

    def __init__(self, spec: T5Spec, has_bias_table: bool) -> None:
        super().__init__()
        self.layer: list[Any] = [AttentionLayer(spec, has_bias_table), FeedForwardLayer(spec)]

    def __call__(self, x: mx.array, bias: mx.array) -> mx.array:
        attention, feed_forward = self.layer
        return feed_forward(attention(x, bias))


class Stack(nn.Module):
    """The blocks and the final norm. All blocks share the first block's position bias."""

    def __init__(self, spec: T5Spec) -> None:
        super().__init__()
        self.buckets, self.max_distance = spec.relative_attention_num_buckets, spec.relative_attention_max_distance
        self.block = [Block(spec, has_bias_table=index == 0) for index in range(spec.num_layers)]
        self.final_layer_norm = RMSNorm(spec.d_model, spec.layer_norm_epsilon)

    def __call__(self, x: mx.array, mask: mx.array) -> mx.array:
        buckets = relative_position_buckets(x.shape[1], self.buckets, self.max_distance)
        table = self.block[0].layer[0].SelfAttention.relative_attention_bias
        bias = table(mx.array(buckets)).transpose(2, 0, 1)[None].astype(x.dtype)
        unseen = mx.array(mx.finfo(x.dtype).min, x.dtype)
        bias = mx.where(mask[:, None, None, :] == 0, unseen, bias)
        for block in self.block:
            x = block(x, bias)
        return self.final_layer_norm(x)


class T5Encoder(nn.Module):
    """Token ids to hidden states."""

    def __init__(self, spec: T5Spec) -> None:
        super().__init__()
        self.rows = spec.vocab_size
        self.shared = nn.Embedding(spec.vocab_size, spec.d_model)
        self.encoder = Stack(spec)

    def __call__(self, input_ids: mx.array, attention_mask: mx.array) -> mx.array:
        """`input_ids`, `attention_mask` int (batch, token) -> (batch, token, d_model); padded keys are not seen.

        Raises IndexError for an id beyond the vocabulary: MLX does not look, it reads what lies behind the table.
        """
        if not bool(((input_ids >= 0) & (input_ids < self.rows)).all()):
            raise IndexError(f"token ids must be in 0 to {self.rows - 1}, found up to {int(input_ids.max())}")
        return self.encoder(self.shared(input_ids), attention_mask)
