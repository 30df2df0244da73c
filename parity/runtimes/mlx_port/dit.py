"""The diffusion transformer: latent, level and conditioning to velocity, as in `reference/model/dit.py`."""

import math

import mlx.core as mx
from mlx import nn

from parity.runtimes.mlx_port.attention import CrossAttention, RotaryEmbedding, SelfAttention
from parity.runtimes.mlx_port.layers import Identity, LayerNorm, SiLU, projector, run
from parity.runtimes.mlx_port.oobleck import Conv1d
from reference.spec.model import DiTSpec

TIMESTEP_FEATURES = 256  # fixed upstream
FF_MULT = 4
MODULATIONS = 6  # of a layer: scale, shift and gate of two branches


class FourierFeatures(nn.Module):
    """(batch,) to (batch, TIMESTEP_FEATURES): cosines, then sines, of learned frequencies."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = mx.zeros((TIMESTEP_FEATURES // 2, 1))

    def __call__(self, t: mx.array) -> mx.array:
        angle = 2 * math.pi * t[:, None] * self.weight.T
        return mx.concatenate([mx.cos(angle), mx.sin(angle)], axis=-1)


class GLU(nn.Module):
    """One projection; its first half times SiLU of its second."""

    def __init__(self, dim: int, inner: int) -> None:
        super().__init__()
        self.proj = nn.Linear(dim, 2 * inner)

    def __call__(self, x: mx.array) -> mx.array:
        value, gate = mx.split(self.proj(x), 2, axis=-1)
        return value * (gate * mx.sigmoid(gate))


class FeedForward(nn.Module):
    """GLU and a linear layer; position 1 of the sequence is upstream's dropout."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.ff = [GLU(dim, FF_MULT * dim), Identity(), nn.Linear(FF_MULT * dim, dim)]

    def __call__(self, x: mx.array) -> mx.array:
        return run(self.ff, x)


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

    def __call__(self, x: mx.array, context: mx.array, rope: RotaryEmbedding) -> mx.array:
        x = x + self.self_attn(self.pre_norm(x), rope)
        x = x + self.cross_attn(self.cross_attend_norm(x), context)
        return x + self.ff(self.ff_norm(x))


class ModulatedLayer(Layer):
    """The same, self-attention and feed-forward scaled, shifted and gated by the global conditioning."""

    def __init__(self, spec: DiTSpec) -> None:
        super().__init__(spec)
        self.to_scale_shift_gate = mx.zeros(MODULATIONS * spec.embed_dim)

    def __call__(  # type: ignore[override]
        self, x: mx.array, context: mx.array, rope: RotaryEmbedding, modulation: mx.array
    ) -> mx.array:
        """`modulation` (batch, 1, MODULATIONS * embed): scale, shift, gate of each branch, in this order."""
        parts = mx.split(self.to_scale_shift_gate + modulation, MODULATIONS, axis=-1)
        (scale, shift, gate), (ff_scale, ff_shift, ff_gate) = parts[:3], parts[3:]
        attended = self.self_attn(self.pre_norm(x) * (1 + scale) + shift, rope)
        x = x + attended * mx.sigmoid(1 - gate)
        x = x + self.cross_attn(self.cross_attend_norm(x), context)
        return x + self.ff(self.ff_norm(x) * (1 + ff_scale) + ff_shift) * mx.sigmoid(1 - ff_gate)


class Transformer(nn.Module):
    """Project in, layers, project out. A prepended global token is position 0, which RoPE counts."""

    def __init__(self, spec: DiTSpec) -> None:
        super().__init__()
        self.prepends, width = spec.prepends, spec.io_channels * spec.patch_size
        self.project_in = nn.Linear(width, spec.embed_dim, bias=False)
        self.project_out = nn.Linear(spec.embed_dim, width, bias=False)
        self.rotary_pos_emb = RotaryEmbedding(spec.rotary_dim)
        if not spec.prepends:
            self.global_cond_embedder = [
                nn.Linear(spec.embed_dim, spec.embed_dim), SiLU(), nn.Linear(spec.embed_dim, MODULATIONS * spec.embed_dim),
            ]  # fmt: skip
        layer = Layer if spec.prepends else ModulatedLayer
        self.layers = [layer(spec) for _ in range(spec.depth)]

    def __call__(self, x: mx.array, global_embed: mx.array, context: mx.array) -> mx.array:
        """x (batch, position, width), global_embed (batch, embed), context (batch, token, width) -> like x."""
        x, glob = self.project_in(x), global_embed[:, None, :]
        if self.prepends:
            x = mx.concatenate([glob, x], axis=1)
        modulation = () if self.prepends else (run(self.global_cond_embedder, glob),)
        for layer in self.layers:
            x = layer(x, context, self.rotary_pos_emb, *modulation)
        y = self.project_out(x)
        return y[:, 1:] if self.prepends else y


class DiT(nn.Module):
    """The stage `dit`."""

    def __init__(self, spec: DiTSpec) -> None:
        super().__init__()
        self.patch_size = spec.patch_size
        self.timestep_features = FourierFeatures()
        self.to_timestep_embed = projector(TIMESTEP_FEATURES, spec.embed_dim, bias=True)
        self.to_cond_embed = projector(spec.cond_token_dim, spec.context_dim, bias=False)
        global_dim = spec.embed_dim if spec.project_global_cond else spec.global_cond_dim
        self.to_global_embed = projector(spec.global_cond_dim, global_dim, bias=False)
        self.preprocess_conv = Conv1d(spec.io_channels, spec.io_channels, 1, bias=False)
        self.transformer = Transformer(spec)
        self.postprocess_conv = Conv1d(spec.io_channels, spec.io_channels, 1, bias=False)

    def __call__(
        self, x: mx.array, t: mx.array, cross_attention_cond: mx.array, global_cond: mx.array
    ) -> dict[str, mx.array]:
        """x (batch, channel, frame), t float32 (batch,) in [0, 1], cross (batch, token, dim), global (batch, dim)
        -> velocity like x."""
        context = run(self.to_cond_embed, cross_attention_cond)
        level = run(self.to_timestep_embed, self.timestep_features(t).astype(x.dtype))
        x = x.swapaxes(1, 2)
        x = self.preprocess_conv(x) + x
        y = self.transformer(self._grouped(x), run(self.to_global_embed, global_cond) + level, context)
        y = self._ungrouped(y)
        return {"velocity": (self.postprocess_conv(y) + y).swapaxes(1, 2)}

    def _grouped(self, x: mx.array) -> mx.array:
        """(batch, frame, channel) to (batch, position, channel * patch); within a position the channel varies slowest."""
        batch, frames, channels = x.shape
        patches = x.reshape(batch, frames // self.patch_size, self.patch_size, channels)
        return patches.swapaxes(2, 3).flatten(2)

    def _ungrouped(self, y: mx.array) -> mx.array:
        """The inverse of `_grouped`."""
        batch, positions, width = y.shape
        patches = y.reshape(batch, positions, width // self.patch_size, self.patch_size)
        return patches.swapaxes(2, 3).reshape(batch, positions * self.patch_size, -1)
