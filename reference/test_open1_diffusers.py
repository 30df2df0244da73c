"""Stable Audio Open 1.0 against diffusers, which is another program: DiT, numbers, decoder, and its one sampler."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fixtures.make_model import make_model
from fixtures.oracle import diffusers, upstream
from parity.measure import metrics
from reference.pipeline import Model, load_model
from reference.spec.noise import philox
from reference.spec.sampling.samplers import SamplerSpec
from reference.spec.stages import CONDITIONER, DECODER, DIT

pytestmark = pytest.mark.oracle
# Relative L2 between two programs with other orders of summation, in float32 (measured up to 5e-7) and in float64.
ROUNDING, EXACT = 1e-6, 1e-12
# Their sampler computes its sigmas from another ramp: a last bit here and there, times 500.
TRAJECTORY = 1e-5
SHAPE, STEPS = (1, 4, 24), 100


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    out: Path = tmp_path_factory.mktemp("open1") / "model"
    make_model(out, "open1-tiny", seed=1)
    return load_model(out)


def normal(seed: int, *shape: int) -> Tensor:
    return torch.from_numpy(next(philox(shape, seed)))


@pytest.mark.parametrize("level", [0.02, 0.2, 0.7, 0.998])
def test_the_dit_is_theirs(model: Model, level: float) -> None:
    spec = model.spec
    cross, glob = normal(2, 1, 30, spec.cond_dim), normal(3, 1, spec.dit.global_cond_dim)
    given = (normal(1, *spec.latent_shape), torch.tensor([level]), cross, glob)
    with torch.inference_mode():
        ours = model.modules[DIT](*given)["velocity"]
        theirs = diffusers.velocity(diffusers.dit(model), *given)
    assert metrics.relative_l2(theirs.numpy(), ours.numpy()) <= ROUNDING


def test_the_numbers_are_theirs(model: Model) -> None:
    for name, theirs in diffusers.numbers(model).items():
        ours: Any = model.modules[CONDITIONER].get_submodule(f"conditioners.{name}")
        for seconds in (0.0, 1.5, 7.75, 11.0):  # the last beyond the range
            given = torch.tensor([seconds])
            with torch.inference_mode():
                assert metrics.relative_l2(theirs(given)[:, 0].numpy(), ours(given).numpy()) <= ROUNDING


def test_the_decoder_is_theirs(model: Model) -> None:
    exact = model.to(torch.float64, (DECODER,))
    latents = normal(4, *model.spec.latent_shape).double()
    with torch.inference_mode():
        theirs, ours = diffusers.decoder(exact)(latents), exact.modules[DECODER](latents)["audio"]
    assert metrics.relative_l2(theirs.numpy(), ours.numpy()) <= EXACT


def test_dpmpp_2m_sde_is_their_sampler() -> None:
    """With our noise handed to it: it would draw its own from a tree over other ends."""
    scheduler = diffusers.module("schedulers.scheduling_cosine_dpmsolver_multistep").CosineDPMSolverMultistepScheduler(
        sigma_min=0.3, sigma_max=500, sigma_data=1.0, sigma_schedule="exponential", prediction_type="v_prediction",
    )  # fmt: skip
    spec = SamplerSpec(name="dpmpp-2m-sde", steps=STEPS)
    noise = [torch.from_numpy(array) for array in islice(philox(SHAPE, 5), STEPS)]
    with upstream.silence():
        scheduler.set_timesteps(STEPS)
        assert np.allclose(scheduler.sigmas.numpy(), spec.stops(), rtol=ROUNDING, atol=0)
        left: Iterator[Tensor] = iter([*noise[1:], torch.zeros(SHAPE)])  # they draw in the last step and leave it
        scheduler.noise_sampler = lambda now, after: next(left)
        x = noise[0] * spec.stops()[0]
        for t in scheduler.timesteps:
            x = scheduler.step(answer(scheduler.scale_model_input(x, t), float(t)), t, x).prev_sample
    *_, last = spec.walk(answer, iter(noise[1:]), spec.start(noise[0]))  # type: ignore[arg-type]
    assert metrics.relative_l2(x.numpy(), np.asarray(last.following)) <= TRAJECTORY


def answer(x: Tensor, level: float) -> Tensor:
    return torch.tanh(x) * 0.7 - level * 0.1
