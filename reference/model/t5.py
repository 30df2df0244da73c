"""T5 encoder, written out so that it is exact in float64 (library versions fall back to float32 in norm and softmax).

Source: Raffel et al. 2020, "Exploring the Limits of Transfer Learning"; parameter names as in Hugging Face's
`T5EncoderModel` checkpoints. Checked against transformers in `reference/test_model.py`, and within upstream's
conditioner in `reference/test_oracle.py`.
"""

import torch
from torch import Tensor, nn

from reference.spec.model import T5Spec
from reference.spec.t5_positions import relative_position_buckets


class RMSNorm(nn.Module):
    """T5's layer norm: no mean, no bias."""

    def __init__(self, dim: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps))


class SelfAttention(nn.Module):
    """Attention without 1/sqrt(d); the position bias is added to the scores."""

    def __init__(self, spec: T5Spec, has_bias_table: bool) -> None:
        super().__init__()
        inner = spec.num_heads * spec.d_kv
        self.heads = spec.num_heads
        self.q = nn.Linear(spec.d_model, inner, bias=False)
        self.k = nn.Linear(spec.d_model, inner, bias=False)
        self.v = nn.Linear(spec.d_model, inner, bias=False)
        self.o = nn.Linear(inner, spec.d_model, bias=False)
        if has_bias_table:
            self.relative_attention_bias = _table(spec.relative_attention_num_buckets, spec.num_heads)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        q, k, v = (project(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for project in (self.q, self.k, self.v))
        weights = (q @ k.transpose(-1, -2) + bias).softmax(-1)  # (batch, head, query, key)
        return self.o((weights @ v).transpose(1, 2).flatten(-2))  # type: ignore[no-any-return]


class FeedForward(nn.Module):
    """Linear, ReLU, linear; no biases."""

    def __init__(self, spec: T5Spec) -> None:
        super().__init__()
        self.wi = nn.Linear(spec.d_model, spec.d_ff, bias=False)
        self.wo = nn.Linear(spec.d_ff, spec.d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.wo(torch.relu(self.wi(x)))  # type: ignore[no-any-return]


class AttentionLayer(nn.Module):
    """Norm, attention, residual."""

    def __init__(self, spec: T5Spec, has_bias_table: bool) -> None:
        super().__init__()
        self.SelfAttention = SelfAttention(spec, has_bias_table)
        self.layer_norm = RMSNorm(spec.d_model, spec.layer_norm_epsilon)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        return x + self.SelfAttention(self.layer_norm(x), bias)  # type: ignore[no-any-return]


class FeedForwardLayer(nn.Module):
    """Norm, feed-forward, residual."""

    def __init__(self, spec: T5Spec) -> None:
        super().__init__()
        self.DenseReluDense = FeedForward(spec)
        self.layer_norm = RMSNorm(spec.d_model, spec.layer_norm_epsilon)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.DenseReluDense(self.layer_norm(x))  # type: ignore[no-any-return]


class Block(nn.Module):
    """One encoder block."""

    def __init__(self, spec: T5Spec, has_bias_table: bool) -> None:
        super().__init__()
        self.layer = nn.ModuleList([AttentionLayer(spec, has_bias_table), FeedForwardLayer(spec)])

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        return self.layer[1](self.layer[0](x, bias))  # type: ignore[no-any-return]


class Stack(nn.Module):
    """The blocks and the final norm. All blocks share the first block's position bias."""

    def __init__(self, spec: T5Spec) -> None:
        super().__init__()
        self.buckets, self.max_distance = spec.relative_attention_num_buckets, spec.relative_attention_max_distance
        self.block = nn.ModuleList([Block(spec, has_bias_table=index == 0) for index in range(spec.num_layers)])
        self.final_layer_norm = RMSNorm(spec.d_model, spec.layer_norm_epsilon)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        table = self.block[0].layer[0].SelfAttention.relative_attention_bias  # type: ignore[union-attr, index]
        buckets = torch.from_numpy(relative_position_buckets(x.shape[1], self.buckets, self.max_distance))
        bias = table(buckets).permute(2, 0, 1)[None]
        bias = bias.masked_fill(mask[:, None, None, :] == 0, torch.finfo(bias.dtype).min)
        for block in self.block:
            x = block(x, bias)
        return self.final_layer_norm(x)  # type: ignore[no-any-return]


class T5Encoder(nn.Module):
    """Token ids to hidden states."""

    def __init__(self, spec: T5Spec) -> None:
        super().__init__()
        self.shared = _table(spec.vocab_size, spec.d_model)
        self.encoder = Stack(spec)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """`input_ids`, `attention_mask` int (batch, token) -> (batch, token, d_model); padded keys are not seen."""
        return self.encoder(self.shared(input_ids), attention_mask)  # type: ignore[no-any-return]


def _table(rows: int, width: int) -> nn.Embedding:
    """Weights to be loaded. Those torch draws would cost 1.5 s: on the meta device that imports its compiler."""
    return nn.Embedding.from_pretrained(torch.empty(rows, width), freeze=False)  # type: ignore[no-any-return, no-untyped-call]
