"""Prompt and numbers to what the DiT is conditioned on.

Source: stable-audio-tools `models/conditioners.py` (`T5Conditioner`, `NumberConditioner`) and `models/adp.py`
(`NumberEmbedder`). Parameter names under `conditioners` are the checkpoint's.
"""

import math

import torch
from torch import Tensor, nn

from reference.model.t5 import T5Encoder
from reference.spec.model import SECONDS_START, SECONDS_TOTAL, ModelSpec, SecondsSpec

HALF_FEATURES = 128  # learned frequencies of the number embedder, fixed upstream


class NumberFeatures(nn.Module):
    """(batch,) to (batch, 1 + 2 * HALF_FEATURES): the number itself, then sines, then cosines."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(HALF_FEATURES))
        self.turn = 2 * math.pi

    def forward(self, x: Tensor) -> Tensor:
        angle = x[:, None] * self.weights[None, :] * self.turn
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
        self.conditioners = nn.ModuleDict(
            {number.name: NumberConditioner(number, spec.cond_dim) for number in spec.numbers}
        )

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, seconds_total: Tensor, seconds_start: Tensor | None = None
    ) -> dict[str, Tensor]:
        """ids and mask int (batch, token), each number (batch,) -> cross (batch, token + numbers, dim), global
        (batch, numbers * dim), both with the numbers in the config's order.

        Padded prompt rows become zeros. They are attended to later: upstream drops the cross-attention mask.
        """
        text = self.t5(input_ids, attention_mask)
        text = text * attention_mask[:, :, None].to(text.dtype)
        given = {SECONDS_TOTAL: seconds_total, SECONDS_START: seconds_start}
        numbers = [embed(given[name]) for name, embed in self.conditioners.items()]
        glob = numbers[0] if len(numbers) == 1 else torch.cat(numbers, dim=-1)  # one is what exported graphs have
        cross = torch.cat([text, *(number[:, None, :] for number in numbers)], dim=1)
        return {"cross_attention_cond": cross, "global_cond": glob}
