"""Guided trajectories of Stable Audio Open 1.0 in float64: upstream's sampler, denoiser and guidance beside ours, about one
DiT. In float32 two right implementations are as far apart as guidance makes their roundings (`test_open1.py`): what is wrong
by less is seen here.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from torch import Tensor

from fixtures.make_model import make_model
from fixtures.oracle import k_diffusion, upstream
from parity.measure import metrics
from reference.pipeline import load_model
from reference.spec.sampling import vdiff
from reference.spec.sampling.guidance import Guidance
from reference.spec.sampling.samplers import SamplerSpec
from reference.spec.stages import DIT
from reference.spec.tensors import Array

SAME = 1e-12  # relative L2 of latents; measured up to 4e-15
SCALE, TOKENS, FRAMES = 7.0, 4, 8

Dit = Callable[..., Tensor]
Asked = tuple[Dit, Any]


@pytest.fixture(scope="module")
def dit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """Our DiT in float64, and upstream's model which asks it wherever it would run layers of its own."""
    folder = tmp_path_factory.mktemp("open1") / "model"
    make_model(folder, "open1-tiny", seed=0)
    exact = load_model(folder).to(torch.float64, (DIT,)).modules[DIT]

    def layers(x: Tensor, t: Tensor, *, cross_attn_cond: Tensor, global_embed: Tensor, **left: Any) -> Tensor:
        found: Tensor = exact(x, t.float().double(), cross_attn_cond, global_embed)["velocity"]  # our levels cross as float32
        return found

    with k_diffusion.in_upstream(), torch.inference_mode():
        theirs = copy.deepcopy(upstream.load(folder)).double()
        with mock.patch.object(theirs.model.model, "_forward", layers):
            yield layers, theirs


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.from_numpy(np.random.Generator(np.random.Philox(seed)).standard_normal(shape))


def walked_by_upstream(model: Any, spec: SamplerSpec, noise: list[Tensor], fed: dict[str, Tensor], phi: float) -> Array:
    """Handed noise and sigmas in float64: its own are float32."""
    sampling, left = k_diffusion.package().sampling, iter(noise[1:])
    sigmas = torch.tensor(spec.stops(), dtype=torch.float64)
    with (
        mock.patch.object(sampling, "get_sigmas_polyexponential", return_value=sigmas),
        mock.patch.object(sampling, "BrownianTreeNoiseSampler", return_value=lambda now, after: next(left)),
        upstream.silence(),
    ):
        found: Tensor = upstream.module("inference.sampling").sample_k(
            model, noise[0], None, spec.steps, sampler_type=spec.name, device="cpu", cross_attn_cond=fed["cond"],
            negative_cross_attn_cond=fed["negative"], global_cond=fed["global"], cfg_scale=SCALE, scale_phi=phi,
            batch_cfg=True, rescale_cfg=True,
        )  # fmt: skip
    return found.numpy()


def walked(layers: Dit, spec: SamplerSpec, noise: list[Tensor], fed: dict[str, Tensor], guidance: Guidance) -> Array:
    """By our rules, two calls a step."""

    def velocity(x: Array, level: float) -> Array:
        asked, t = torch.from_numpy(x), torch.tensor([level], dtype=torch.float64)
        one, two = (
            layers(asked, t, cross_attn_cond=cond, global_embed=fed["global"]).numpy() for cond in (fed["cond"], fed["negative"])
        )
        found: Array = guidance.combine(one, two, spec.objective.clean(x, level, one))
        return found

    *_, last = spec.walk(velocity, (array.numpy() for array in noise[1:]), spec.start(noise[0].numpy()))
    return last.following


def apart(dit: Asked, name: str, steps: int, phi: float) -> float:
    """Relative L2 of the two's latents from the same noise and conditioning."""
    layers, model = dit
    spec = SamplerSpec(name=name, steps=steps)
    width, rows = model.io_channels, model.model.model.cond_token_dim
    fed = {"cond": drawn(1, 1, TOKENS, rows), "negative": drawn(2, 1, TOKENS, rows), "global": drawn(3, 1, 2 * rows)}
    noise = [drawn(10 + index, 1, width, FRAMES) for index in range(steps)]
    with torch.inference_mode():
        theirs = walked_by_upstream(model.model, spec, noise, fed, phi)
        ours = walked(layers, spec, noise, fed, Guidance(scale=SCALE, phi=phi))
    return metrics.relative_l2(theirs, ours)


@pytest.mark.parametrize(("name", "steps", "phi"), [
    ("dpmpp-3m-sde", 8, 0.0), ("dpmpp-3m-sde", 8, 0.5), ("dpmpp-3m-sde", 100, 0.0), ("dpmpp-2m-sde", 8, 0.0),
    ("dpmpp-2m-sde", 8, 0.5),
])  # fmt: skip
def test_guided_trajectories_are_upstream_s_in_float64(dit: Asked, name: str, steps: int, phi: float) -> None:
    assert apart(dit, name, steps, phi) <= SAME


def a_little_stronger(self: Guidance, one: Array, two: Array, clean: Array, right: Any = Guidance.combine) -> Array:
    """Guidance of 7.00000001: what float32 would not show."""
    found: Array = right(replace(self, scale=self.scale + 1e-8), one, two, clean)
    return found


SABOTAGE: dict[str, tuple[Any, str, Any]] = {
    "guidance a little stronger": (Guidance, "combine", a_little_stronger),
    "the 2M rule for the 3M rule": (vdiff, "_third_order", vdiff._midpoint),
    "the negative prompt unheard": (Guidance, "combine", lambda self, one, two, clean: one),
}


@pytest.mark.parametrize("name", SABOTAGE)
def test_what_is_wrong_by_less_than_float32_rounds_is_seen(dit: Asked, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(*SABOTAGE[name])
    assert apart(dit, "dpmpp-3m-sde", 8, 0.0) > SAME
