"""The diffusion transformer: latent, level and conditioning to velocity.

Source: stable-audio-tools `models/dit.py` and `models/transformer.py`. The global conditioning is a token before the
sequence, or modulates every layer (adaLN, after Peebles and Xie 2023).
"""

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reference.model.attention import CrossAttention, RotaryEmbedding, SelfAttention, rotate
from reference.spec.model import DiTSpec

TIMESTEP_FEATURES = 256  # fixed upstream
FF_MULT = 4
LAYER_NORM_EPS = 1e-5  # torch's own, which upstream relies on
MODULATIONS = 6  # of a layer: scale, shift and gate of two branches


class FourierFeatures(nn.Module):
    """(batch,) to (batch, TIMESTEP_FEATURES): cosines, then sines, of learned frequencies."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(TIMESTEP_FEATURES // 2, 1))

    def forward(self, t: Tensor) -> Tensor:
        angle = 2 * math.pi * t[:, None] @ self.weight.T
        return torch.cat([angle.cos(), angle.sin()], dim=-1)


class LayerNorm(nn.Module):
    """Layer norm with a learned gain; the shift is a buffer of zeros that the checkpoint nevertheless holds."""

    beta: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))
        self.register_buffer("beta", torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.gamma, self.beta, LAYER_NORM_EPS)


class GLU(nn.Module):
    """One projection; its first half times SiLU of its second."""

    def __init__(self, dim: int, inner: int) -> None:
        super().__init__()
        self.proj = nn.Linear(dim, 2 * inner)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * F.silu(gate)  # type: ignore[no-any-return]


class FeedForward(nn.Module):
    """GLU and a linear layer; position 1 of the sequence is upstream's dropout."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.ff = nn.Sequential(GLU(dim, FF_MULT * dim), nn.Identity(), nn.Linear(FF_MULT * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        return self.ff(x)  # type: ignore[no-any-return]


class Layer(nn.Module):
    """Self-attention, cross-attention, feed-forward, each normed before and added after."""

    def __init__(self, spec: DiTSpec) -> None:
        super().__init__()
        self.pre_norm = LayerNorm(spec.embed_dim)
        self.self_attn = SelfAttention(spec)
        self.cross_attend_norm = LayerNorm(spec.embed_dim)
        self.cross_attn = CrossAttention(spec)
        self.ff_norm = LayerNorm(spec.embed_dim)
        self.ff = FeedForward(spec.embed_dim)

    def forward(self, x: Tensor, context: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.self_attn(self.pre_norm(x), partial(rotate, cos=cos, sin=sin))
        x = x + self.cross_attn(self.cross_attend_norm(x), context)
        return x + self.ff(self.ff_norm(x))  # type: ignore[no-any-return]


class ModulatedLayer(Layer):
    """The same, self-attention and feed-forward scaled, shifted and gated by the global conditioning."""

    def __init__(self, spec: DiTSpec) -> None:
        super().__init__(spec)
        self.to_scale_shift_gate = nn.Parameter(torch.zeros(MODULATIONS * spec.embed_dim))

    def forward(self, x: Tensor, context: Tensor, cos: Tensor, sin: Tensor, modulation: Tensor) -> Tensor:  # type: ignore[override]
        """`modulation` (batch, 1, MODULATIONS * embed): scale, shift, gate of each branch, in this order."""
        parts = (self.to_scale_shift_gate + modulation).chunk(MODULATIONS, dim=-1)
        (scale, shift, gate), (ff_scale, ff_shift, ff_gate) = parts[:3], parts[3:]
        attended = self.self_attn(self.pre_norm(x) * (1 + scale) + shift, partial(rotate, cos=cos, sin=sin))
        x = x + attended * torch.sigmoid(1 - gate)
        x = x + self.cross_attn(self.cross_attend_norm(x), context)
        return x + self.ff(self.ff_norm(x) * (1 + ff_scale) + ff_shift) * torch.sigmoid(1 - ff_gate)  # type: ignore[no-any-return]


class Transformer(nn.Module):
    """Project in, layers, project out. A prepended global token is position 0, which RoPE counts."""

    def __init__(self, spec: DiTSpec) -> None:
        super().__init__()
        self.prepends, width = spec.prepends, spec.io_channels * spec.patch_size
        self.project_in = nn.Linear(width, spec.embed_dim, bias=False)
        self.project_out = nn.Linear(spec.embed_dim, width, bias=False)
        self.rotary_pos_emb = RotaryEmbedding(spec.rotary_dim)
        if not spec.prepends:
            self.global_cond_embedder = nn.Sequential(
                nn.Linear(spec.embed_dim, spec.embed_dim),
                nn.SiLU(),
                nn.Linear(spec.embed_dim, MODULATIONS * spec.embed_dim),
            )
        layer = Layer if spec.prepends else ModulatedLayer
        self.layers = nn.ModuleList([layer(spec) for _ in range(spec.depth)])

    def forward(self, x: Tensor, global_embed: Tensor, context: Tensor) -> Tensor:
        """x (batch, position, width), global_embed (batch, embed), context (batch, token, width) -> like x."""
        x, glob = self.project_in(x), global_embed[:, None, :]
        if self.prepends:
            x = torch.cat([glob, x], dim=1)
        modulation = () if self.prepends else (self.global_cond_embedder(glob),)
        cos, sin = self.rotary_pos_emb(x.shape[1])
        for layer in self.layers:
            x = layer(x, context, cos, sin, *modulation)
        y = self.project_out(x)
        return y[:, 1:] if self.prepends else y  # type: ignore[no-any-return]


def _projector(dim_in: int, dim_out: int, *, bias: bool) -> nn.Sequential:
    return nn.Sequential(nn.Linear(dim_in, dim_out, bias=bias), nn.SiLU(), nn.Linear(dim_out, dim_out, bias=bias))


def _regroup(x: Tensor, patch_size: int) -> Tensor:
    """(batch, channel, frame) -> (batch, position, channel * patch), and, by the same steps, back.

    Within a position the channel varies slowest.
    """
    if patch_size == 1:
        return x.transpose(1, 2)
    return x.reshape(*x.shape[:2], -1, patch_size).transpose(1, 2).flatten(2)


class DiT(nn.Module):
    """The stage `dit`."""

    def __init__(self, spec: DiTSpec) -> None:
        super().__init__()
        self.patch_size = spec.patch_size
        self.timestep_features = FourierFeatures()
        self.to_timestep_embed = _projector(TIMESTEP_FEATURES, spec.embed_dim, bias=True)
        self.to_cond_embed = _projector(spec.cond_token_dim, spec.context_dim, bias=False)
        global_dim = spec.embed_dim if spec.project_global_cond else spec.global_cond_dim
        self.to_global_embed = _projector(spec.global_cond_dim, global_dim, bias=False)
        self.preprocess_conv = nn.Conv1d(spec.io_channels, spec.io_channels, 1, bias=False)
        self.transformer = Transformer(spec)
        self.postprocess_conv = nn.Conv1d(spec.io_channels, spec.io_channels, 1, bias=False)

    def forward(self, x: Tensor, t: Tensor, cross_attention_cond: Tensor, global_cond: Tensor) -> dict[str, Tensor]:
        """x (batch, channel, frame), t (batch,) in [0, 1], cross (batch, token, dim), global (batch, dim)
        -> velocity like x."""
        context = self.to_cond_embed(cross_attention_cond)
        level = self.to_timestep_embed(self.timestep_features(t))
        x = self.preprocess_conv(x) + x
        y = self.transformer(_regroup(x, self.patch_size), self.to_global_embed(global_cond) + level, context)
        y = _regroup(y, self.patch_size)
        return {"velocity": self.postprocess_conv(y) + y}
