"""Prompt and seconds to what the DiT is conditioned on.

Source: stable-audio-tools `models/conditioners.py` (`T5Conditioner`, `NumberConditioner`) and `models/adp.py`
(`NumberEmbedder`). Parameter names under `conditioners` are the checkpoint's.
"""

import math

import torch
from torch import Tensor, nn

from reference.model.t5 import T5Encoder
from reference.spec.model import ModelSpec, SecondsSpec

HALF_FEATURES = 128  # learned frequencies of the number embedder, fixed upstream


class NumberFeatures(nn.Module):
    """(batch,) to (batch, 1 + 2 * HALF_FEATURES): the number itself, then sines, then cosines."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(HALF_FEATURES))

    def forward(self, x: Tensor) -> Tensor:
        angle = x[:, None] * self.weights[None, :] * (2 * math.pi)
        return torch.cat([x[:, None], angle.sin(), angle.cos()], dim=-1)


class NumberEmbedder(nn.Module):
    """Features and one linear layer."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.embedding = nn.Sequential(NumberFeatures(), nn.Linear(1 + 2 * HALF_FEATURES, dim))

    def forward(self, x: Tensor) -> Tensor:
        return self.embedding(x)  # type: ignore[no-any-return]


class NumberConditioner(nn.Module):
    """Clamp to the configured range, normalise to [0, 1], embed."""

    def __init__(self, spec: SecondsSpec, dim: int) -> None:
        super().__init__()
        self.min, self.max = spec.min_s, spec.max_s
        self.embedder = NumberEmbedder(dim)

    def forward(self, seconds: Tensor) -> Tensor:
        return self.embedder((seconds.clamp(self.min, self.max) - self.min) / (self.max - self.min))  # type: ignore[no-any-return]


class Conditioner(nn.Module):
    """The stage `conditioner`."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.t5 = T5Encoder(spec.t5)
        self.conditioners = nn.ModuleDict({"seconds_total": NumberConditioner(spec.seconds, spec.cond_dim)})

    def forward(self, input_ids: Tensor, attention_mask: Tensor, seconds_total: Tensor) -> dict[str, Tensor]:
        """ids and mask int (batch, token), seconds (batch,) -> cross (batch, token + 1, dim), global (batch, dim).

        Padded prompt rows become zeros. They are attended to later: upstream drops the cross-attention mask.
        """
        text = self.t5(input_ids, attention_mask)
        text = text * attention_mask[:, :, None].to(text.dtype)
        seconds = self.conditioners["seconds_total"](seconds_total)
        return {"cross_attention_cond": torch.cat([text, seconds[:, None, :]], dim=1), "global_cond": seconds}
