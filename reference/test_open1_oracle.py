"""Stable Audio Open 1.0 against stable-audio-tools with k-diffusion and torchsde: drawn configurations, all samplers."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zlib import crc32

import numpy as np
import pytest
import torch
from hypothesis import find, given, settings
from torch import Tensor

from fixtures.oracle.agreement import LIMITS, Agreement
from fixtures.oracle.comparisons import compare
from fixtures.oracle.family import Member
from fixtures.oracle.open1_family import asked_of_one_model, open1_members
from reference.model import attention, conditioner
from reference.spec import torch_noise
from reference.spec.generation import Request
from reference.spec.sampling import vdiff
from reference.spec.sampling.flow import Velocity
from reference.spec.sampling.guidance import Guidance
from reference.spec.sampling.objective import State, VObjective
from reference.spec.torch_noise import BrownianTree
from reference.spec.trace import crossed
from reference.test_oracle import DRAWING, tiled_kv_heads

SHARDS = 12  # no model is in two of them
EACH = 10  # models; one shard stands for them in `make test`, `make oracle` compares all
TIMES = 5  # that each of them is asked for something
SDE = "prompt to audio, dpmpp-3m-sde"


def shard_of(member: Member) -> int:
    return crc32(member.key.encode()) % SHARDS


@pytest.mark.parametrize("shard", [0, *(pytest.param(shard, marks=pytest.mark.oracle) for shard in range(1, SHARDS))])
def test_every_module_and_generation_agrees(agreement: Agreement, tmp_path: Path, shard: int) -> None:
    apart, own, models = [], Agreement(), set[str]()

    @settings(DRAWING, max_examples=4 * EACH)
    @given(asked_of_one_model(TIMES).filter(lambda members: shard_of(members[0]) == shard))
    def each(members: list[Member]) -> None:
        member, *more = members
        if member.key in own.configurations or (len(models) >= EACH and len(own.configurations) >= EACH * TIMES):
            return
        models.add(member.key)
        with TemporaryDirectory(dir=tmp_path) as folder:
            found = compare(member, Path(folder), own, more)
        apart.extend((module, error, member.key) for module, error in found.items())

    each()
    agreement.merge(own)
    assert not apart
    assert len(models) >= EACH
    assert len(own.configurations) >= EACH * TIMES  # what is drawn is now and then drawn again
    assert all(own.worst[key] <= LIMITS[key[1]] for key in own.worst)


@pytest.fixture(scope="module")
def sabotaged_member() -> Member:
    """A member with shared key/value heads, sampled and guided so that every sabotage has something to do."""

    def suits(member: Member) -> bool:
        config = member.config["model"]["diffusion"]["config"]
        whole = not member.config["model"]["pretransform"]["chunked"]
        shared = config["cond_token_dim"] * config["num_heads"] // config["embed_dim"]
        grouped = config["cond_token_dim"] * 2 == config["embed_dim"] and not config.get("project_cond_tokens", True)
        return grouped and shared == 2 and whole and len(member.prompt) > 1 and member.seconds > 1

    member = find(open1_members(), suits, settings=settings(DRAWING, max_examples=10_000))
    generation = {
        "sampler_type": "dpmpp-3m-sde", "steps": 5, "seed": 3, "init_noise_level": None, "sigma_min": 0.3, "sigma_max": 8.0,
        "cfg_scale": 3.0, "negative_prompt": "noise", "negative_numbers": {"seconds_start": 2.0, "seconds_total": 4.0},
        "cfg_interval": (0.0, 0.97), "scale_phi": 0.5,
    }  # fmt: skip
    return replace(member, generation=generation, told={"seconds_start": 3.0}, seconds=7.0)


def noise_up(self: BrownianTree, now: float, after: float, right: Any = BrownianTree.increment) -> State:
    return -right(self, now, after)


class LogTree(BrownianTree):
    """Over ln sigma, shifted so that it is positive."""

    def __init__(self, torch: Any, shape: tuple[int, ...], entropy: int, start: float, end: float) -> None:
        super().__init__(torch, shape, entropy, np.log(start) + 10, np.log(end) + 10)

    def increment(self, now: float, after: float) -> State:
        return super().increment(np.log(now) + 10, np.log(after) + 10)


def skip_for_out(velocity: Velocity, x: State, sigma: float, right: Any = vdiff.denoise) -> vdiff.Estimate:
    found = right(velocity, x, sigma)
    root = np.sqrt(sigma * sigma + 1)
    return replace(found, clean=x * float(-sigma / root) + found.velocity * float(1 / root**2))


def total_first(self: Any, right: Any = conditioner.Conditioner.forward, **inputs: Tensor) -> dict[str, Tensor]:
    answers = right(self, **inputs)
    glob = torch.cat(answers["global_cond"].chunk(2, dim=-1)[::-1], dim=-1)
    return {**answers, "global_cond": glob}


def rescaled_by_clean(
    self: Guidance, conditional: State, unconditional: State, clean: State, right: Any = Guidance.combine
) -> State:
    """The deviation of the clean estimate where the velocity's belongs: guidance on D instead of v."""
    guided = unconditional + (conditional - unconditional) * self.scale
    wanted, found = (np.std(array, axis=1, keepdims=True, ddof=1) for array in (clean, guided))
    return crossed(self.phi * guided * (wanted / found) + (1 - self.phi) * guided)


SABOTAGE: dict[str, tuple[Any, str, Any, str]] = {
    "the sign of the noise": (BrownianTree, "increment", noise_up, SDE),
    "ln sigma in the tree": (torch_noise, "BrownianTree", LogTree, SDE),
    "c_skip and c_out swapped": (vdiff, "denoise", skip_for_out, SDE),
    "start and total swapped in the global token": (conditioner.Conditioner, "forward", total_first, "conditioner, global"),
    "guidance on D": (Guidance, "combine", rescaled_by_clean, SDE),
    "kv heads tiled": (attention.CrossAttention, "forward", tiled_kv_heads, "cross-attention"),
    "the interval held to t": (VObjective, "noise_share", lambda self, level: level, SDE),
    "the negative's numbers left out": (Request, "negative_numbers", Request.numbers, SDE),
    "the 2M rule for the 3M rule": (vdiff, "_third_order", vdiff._midpoint, SDE),
}


def test_the_sabotaged_member_agrees_when_nobody_sabotages(sabotaged_member: Member, tmp_path: Path) -> None:
    assert compare(sabotaged_member, tmp_path / "model", Agreement()) == {}


@pytest.mark.parametrize("name", SABOTAGE)
def test_a_wrong_reference_is_noticed_where_it_is_wrong(
    sabotaged_member: Member, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    owner, attribute, wrong, module = SABOTAGE[name]
    monkeypatch.setattr(owner, attribute, wrong)
    assert module in compare(sabotaged_member, tmp_path / "model", Agreement())
