"""Prompt and numbers to what the DiT is conditioned on, as in `reference/model/conditioner.py`."""

import math
from collections.abc import Sequence
from typing import Any

import mlx.core as mx
from mlx import nn

from parity.runtimes.mlx_port.layers import run
from parity.runtimes.mlx_port.t5 import T5Encoder
from reference.spec.model import SecondsSpec, T5Spec

HALF_FEATURES = 128  # learned frequencies of the number embedder, fixed upstream
BLOCK = 16  # products that are added up before their sums are


class NumberFeatures(nn.Module):
    """(batch,) to (batch, 1 + 2 * HALF_FEATURES): the number itself, then sines, then cosines."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = mx.zeros(HALF_FEATURES)

    def __call__(self, x: mx.array) -> mx.array:
        angle = x[:, None] * self.weights[None, :] * (2 * math.pi)
        return mx.concatenate([x[:, None], mx.sin(angle), mx.cos(angle)], axis=-1)


class SummedInBlocks(nn.Linear):
    """A linear layer of so few outputs that its products can be added up block by block. Netlib's BLAS adds one after the other,
    which was measured to lose 3.7 times what PyTorch does."""

    def __call__(self, x: mx.array) -> mx.array:
        products = x[:, None, :] * self.weight
        whole = mx.pad(products, ((0, 0), (0, 0), (0, -x.shape[-1] % BLOCK)))
        return whole.reshape(*products.shape[:2], -1, BLOCK).sum(-1).sum(-1) + self.bias


class NumberEmbedder(nn.Module):
    """Features and one linear layer."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.embedding: list[Any] = [NumberFeatures(), SummedInBlocks(1 + 2 * HALF_FEATURES, dim)]

    def __call__(self, x: mx.array) -> mx.array:
        return run(self.embedding, x)


class NumberConditioner(nn.Module):
    """Clamp to the configured range, normalise to [0, 1], embed."""

    def __init__(self, spec: SecondsSpec, dim: int) -> None:
        super().__init__()
        self.min, self.max = spec.min_s, spec.max_s
        self.embedder = NumberEmbedder(dim)

    def __call__(self, seconds: mx.array) -> mx.array:
        return self.embedder((mx.clip(seconds, self.min, self.max) - self.min) / (self.max - self.min))


class Conditioner(nn.Module):
    """The stage `conditioner`."""

    def __init__(self, t5: T5Spec, numbers: Sequence[SecondsSpec]) -> None:
        super().__init__()
        self.t5 = T5Encoder(t5)
        self.conditioners = {number.name: NumberConditioner(number, t5.d_model) for number in numbers}

    def __call__(self, input_ids: mx.array, attention_mask: mx.array, **seconds: mx.array) -> dict[str, mx.array]:
        """ids and mask int (batch, token), each number float32 (batch,) by its name -> cross (batch, token + numbers, dim),
        global (batch, numbers * dim), both with the numbers in the config's order. Padded prompt rows become zeros."""
        text = self.t5(input_ids, attention_mask)
        text = text * attention_mask[:, :, None].astype(text.dtype)
        numbers = [embed(seconds[name]).astype(text.dtype) for name, embed in self.conditioners.items()]
        cross = mx.concatenate([text, *(number[:, None, :] for number in numbers)], axis=1)
        return {"cross_attention_cond": cross, "global_cond": mx.concatenate(numbers, axis=-1)}
