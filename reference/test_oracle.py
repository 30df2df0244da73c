"""The reference against stable-audio-tools, over the family of configurations it claims to cover."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zlib import crc32

import pytest
import torch
from hypothesis import HealthCheck, Phase, find, given, settings
from torch import Tensor, nn

from fixtures.oracle.agreement import LIMITS, Agreement
from fixtures.oracle.comparisons import compare
from fixtures.oracle.family import Member, members
from reference.model import attention, conditioner, dit, encoder, oobleck
from reference.spec.prompt import EOS_ID, PAD_ID, Tokenizer

CONFIGURATIONS = 200
SHARDS = 4  # no configuration is in two of them, so they add up; one of them stands for all in `make test`
DRAWS = 200  # in each, some of them twice
DRAWING = settings(max_examples=DRAWS, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
                   suppress_health_check=list(HealthCheck))  # fmt: skip


def shard_of(member: Member) -> int:
    return crc32(member.key.encode()) % SHARDS


@pytest.mark.slow
@pytest.mark.parametrize("shard", [0, *(pytest.param(shard, marks=pytest.mark.oracle) for shard in range(1, SHARDS))])
def test_every_module_agrees_over_the_family(agreement: Agreement, tmp_path: Path, shard: int) -> None:
    apart, own = [], Agreement()

    @DRAWING
    @given(members().filter(lambda member: shard_of(member) == shard))
    def each(member: Member) -> None:
        if member.key in own.configurations or len(own.configurations) == CONFIGURATIONS // SHARDS:
            return
        with TemporaryDirectory(dir=tmp_path) as folder:
            found = compare(member, Path(folder), own)
        apart.extend((module, error, member.key) for module, error in found.items())

    each()
    agreement.merge(own)
    assert not apart
    assert len(own.configurations) == CONFIGURATIONS // SHARDS
    assert all(own.worst[key] <= LIMITS[key[1]] for key in own.worst)


def rope_before_norm(self: attention.SelfAttention, x: Tensor, turn: attention.Rotate) -> Tensor:
    q, k, v = (attention.split_heads(part, self.head_dim) for part in self.to_qkv(x).chunk(3, dim=-1))
    return self.to_out(attention.merge_heads(attention.attend(self.q_norm(turn(q)), self.k_norm(turn(k)), v)))


def tiled_kv_heads(self: attention.CrossAttention, x: Tensor, context: Tensor) -> Tensor:
    q = attention.split_heads(self.to_q(x), self.head_dim)
    k, v = (attention.split_heads(part, self.head_dim) for part in self.to_kv(context).chunk(2, dim=-1))
    k, v = (part.repeat(1, self.repeats, 1, 1) for part in (self.k_norm(k), v))
    return self.to_out(attention.merge_heads(attention.attend(self.q_norm(q), k, v)))


def gate_first(self: dit.GLU, x: Tensor) -> Tensor:
    gate, value = self.proj(x).chunk(2, dim=-1)
    return value * nn.functional.silu(gate)


def sines_first(self: dit.FourierFeatures, t: Tensor) -> Tensor:
    angle = 2 * torch.pi * t[:, None] @ self.weight.T
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


def cosines_first(self: conditioner.NumberFeatures, x: Tensor) -> Tensor:
    angle = x[:, None] * self.weights[None, :] * (2 * torch.pi)
    return torch.cat([x[:, None], angle.cos(), angle.sin()], dim=-1)


def norm_over_inputs(self: oobleck.UpConv) -> Tensor:
    return self.weight_g * self.weight_v / self.weight_v.square().sum((0, 2), keepdim=True).sqrt()


def exponential_scale(self: encoder.Encoder, audio: Tensor, encoder_noise: Tensor) -> dict[str, Tensor]:
    mean, scale = self._mean_and_scale(audio).chunk(2, dim=1)
    return {"init_latents": mean + (scale.exp() + encoder.MIN_STD) * encoder_noise}


def without_eos(self: Tokenizer, text: str, call: Callable[..., Any] = Tokenizer.__call__) -> Any:
    ids, mask = call(self, text)
    mask[ids == EOS_ID], ids[ids == EOS_ID] = 0, PAD_ID
    return ids, mask


SABOTAGE: dict[str, tuple[type, str, Callable[..., Any], str]] = {
    "RoPE before qk_norm": (attention.SelfAttention, "forward", rope_before_norm, "self-attention, rotated"),
    "kv heads tiled": (attention.CrossAttention, "forward", tiled_kv_heads, "cross-attention"),
    "GLU halves swapped": (dit.GLU, "forward", gate_first, "GLU"),
    "timestep features sine first": (dit.FourierFeatures, "forward", sines_first, "Fourier features"),
    "number features cosine first": (conditioner.NumberFeatures, "forward", cosines_first, "number embedder"),
    "weight norm over inputs": (oobleck.UpConv, "kernel", norm_over_inputs, "decoder block"),
    "VAE without softplus": (encoder.Encoder, "forward", exponential_scale, "encoder and bottleneck"),
    "EOS missing": (Tokenizer, "__call__", without_eos, "conditioner, T5 included"),
}


@pytest.fixture(scope="module")
def sabotaged_member() -> Member:
    """A small member in which each sabotaged part has something to do."""

    def suits(member: Member) -> bool:
        config = member.config["model"]["diffusion"]["config"]
        whole = not member.config["model"]["pretransform"]["chunked"]
        grouped = config["cond_token_dim"] * 2 == config["embed_dim"] and not config.get("project_cond_tokens", True)
        shared = config["cond_token_dim"] * config["num_heads"] // config["embed_dim"]
        return grouped and shared == 2 and whole and config["attn_kwargs"]["qk_norm"] == "ln" and len(member.prompt) > 1

    return find(members(), suits, settings=settings(DRAWING, max_examples=10_000))


def test_the_sabotaged_member_agrees_when_nobody_sabotages(sabotaged_member: Member, tmp_path: Path) -> None:
    assert compare(sabotaged_member, tmp_path / "model", Agreement()) == {}


@pytest.mark.parametrize("name", SABOTAGE)
def test_a_wrong_reference_is_noticed_where_it_is_wrong(
    sabotaged_member: Member, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    owner, method, wrong, module = SABOTAGE[name]
    monkeypatch.setattr(owner, method, wrong)
    assert module in compare(sabotaged_member, tmp_path / "model", Agreement())
