"""Wrong arithmetic for the diffusion transformer."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from parity.faults.edits import override
from reference.model.attention import (
    CrossAttention,
    RotaryEmbedding,
    SelfAttention,
    attend,
    merge_heads,
    rotate,
    split_heads,
)
from reference.model.dit import GLU, FourierFeatures, LayerNorm, Transformer

KERAS_EPS = 1e-3

Turned = Callable[[Tensor, Tensor, Tensor], Tensor]


def mask_applied(self: CrossAttention, x: Tensor, context: Tensor) -> Tensor:
    """Rows of padding are still zero after a projection without bias."""
    padding = context.abs().sum(-1) == 0
    q = split_heads(self.to_q(x), self.head_dim)
    k, v = (split_heads(part, self.head_dim) for part in self.to_kv(context).chunk(2, dim=-1))
    scores = self.q_norm(q) * self.head_dim**-0.5 @ self.k_norm(k).transpose(-1, -2)
    scores = torch.where(padding[:, None, None, :], torch.full_like(scores, -1e9), scores)
    return self.to_out(merge_heads(scores.softmax(-1) @ v))  # type: ignore[no-any-return]


def kv_heads_tiled(self: CrossAttention, x: Tensor, context: Tensor) -> Tensor:
    q = split_heads(self.to_q(x), self.head_dim)
    k, v = (split_heads(part, self.head_dim) for part in self.to_kv(context).chunk(2, dim=-1))
    k, v = (part.repeat(1, self.repeats, 1, 1) for part in (k, v))
    return self.to_out(merge_heads(attend(self.q_norm(q), self.k_norm(k), v)))  # type: ignore[no-any-return]


def turning(turn: Turned, *, before_norm: bool = False) -> Callable[..., Tensor]:
    """Self-attention that turns queries and keys otherwise."""

    def forward(self: SelfAttention, x: Tensor, right: Any) -> Tensor:
        cos, sin = right.keywords["cos"], right.keywords["sin"]
        q, k, v = (split_heads(part, self.head_dim) for part in self.to_qkv(x).chunk(3, dim=-1))
        if before_norm:
            q, k = self.q_norm(turn(q, cos, sin)), self.k_norm(turn(k, cos, sin))
        else:
            q, k = turn(self.q_norm(q), cos, sin), turn(self.k_norm(k), cos, sin)
        return self.to_out(merge_heads(attend(q, k, v)))  # type: ignore[no-any-return]

    return forward


def last_channels_turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    kept, turned = x[..., : -cos.shape[-1]], x[..., -cos.shape[-1] :]
    return torch.cat([kept, rotate(turned, cos, sin)], dim=-1)


def neighbours_turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Pairs of neighbouring channels, as GPT-J has them."""
    width = cos.shape[-1]
    turned, kept = x[..., :width], x[..., width:]
    even, odd = turned[..., 0::2], turned[..., 1::2]
    across = torch.stack([-odd, even], dim=-1).flatten(-2)
    spread = torch.arange(width // 2).repeat_interleave(2)
    return torch.cat([turned * cos[:, spread] + across * sin[:, spread], kept], dim=-1)


def turned_backwards(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """cos and sin change places."""
    return rotate(x, sin, cos)


def frozen_at_half(rope: RotaryEmbedding) -> None:
    def forward(self: RotaryEmbedding, length: int) -> tuple[Tensor, Tensor]:
        cos, sin = RotaryEmbedding.forward(self, length)
        last = torch.arange(length).clamp(max=length // 2)
        return cos[last], sin[last]

    override(rope, forward)


def no_global_token(transformer: Transformer) -> None:
    def forward(self: Transformer, x: Tensor, global_embed: Tensor, context: Tensor) -> Tensor:
        return Transformer.forward(self, x, torch.zeros_like(global_embed), context)

    override(transformer, forward)


def sines_first(self: FourierFeatures, t: Tensor) -> Tensor:
    angle = 2 * torch.pi * t[:, None] @ self.weight.T
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


def gate_first(self: GLU, x: Tensor) -> Tensor:
    gate, value = self.proj(x).chunk(2, dim=-1)
    return value * F.silu(gate)  # type: ignore[no-any-return]


def keras_epsilon(self: LayerNorm, x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], self.gamma, self.beta, KERAS_EPS)


def no_qk_norm(attention: Any) -> None:
    attention.q_norm, attention.k_norm = nn.Identity(), nn.Identity()


def passed_by(layer: nn.Module) -> None:
    override(layer, lambda self, x, *others: x)


def one_scale_doubled(linear: nn.Linear) -> None:
    linear.weight[0] *= 2


def guided(self: Any, right: Any, **inputs: Tensor) -> dict[str, Tensor]:
    """Guidance of 2 inside the graph, where the sampler already has its own."""
    velocity = right()["velocity"]
    unguided = right(cross_attention_cond=torch.zeros_like(inputs["cross_attention_cond"]))["velocity"]
    return {"velocity": velocity + (velocity - unguided)}


def denoised_instead(self: Any, right: Any, **inputs: Tensor) -> dict[str, Tensor]:
    return {"velocity": inputs["x"] - inputs["t"][:, None, None] * right()["velocity"]}


def damaged_half(module: nn.Module) -> nn.Module:
    """A download that stopped half way, in a file that had its full length from the start."""
    tensors = list(module.parameters())
    for tensor in tensors[len(tensors) // 2 :]:
        tensor.zero_()
    return module


def level_ignored(self: Any, right: Any, **inputs: Tensor) -> dict[str, Tensor]:
    """Every level is taken for a half."""
    return right(t=torch.full_like(inputs["t"], 0.5))  # type: ignore[no-any-return]


def level_in_thousands(self: Any, right: Any, **inputs: Tensor) -> dict[str, Tensor]:
    """Levels counted from 0 to 1000, as other models have them."""
    return right(t=1000 * inputs["t"])  # type: ignore[no-any-return]


def global_ignored(self: Any, right: Any, **inputs: Tensor) -> dict[str, Tensor]:
    return right(global_cond=torch.zeros_like(inputs["global_cond"]))  # type: ignore[no-any-return]
