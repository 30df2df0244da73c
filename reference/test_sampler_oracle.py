"""Levels and update rules against stable-audio-tools' `sample_rf`, both fed the same noise and the same velocity."""

from itertools import islice

import numpy as np
import pytest
import torch

from fixtures.oracle import upstream
from parity.measure import metrics
from reference.spec.noise import philox
from reference.spec.sampling.objective import FLOW, State
from reference.spec.sampling.samplers import SAMPLERS, SamplerSpec, fitting

SHAPE = (1, 6, 32)
TRAJECTORY = 1e-6  # relative L2; measured up to 2e-7: upstream multiplies by float32 levels, we by the same as float64
EXPLICIT_LEVELS = ("pingpong", "euler", "dpmpp")  # samplers upstream hands the log-SNR schedule
# Below 0.13 upstream's schedule rises (it ends at a fixed log-SNR); ours does not follow it there.
SIGMA_MAX = (0.25, 0.5, 0.75, 1.0)


def upstream_run(
    name: str, steps: int, sigma_max: float, noise: list[State], init: State | None
) -> tuple[State, State]:
    """Upstream's latents, and the levels at which it asked for a velocity."""
    levels: list[float] = []

    def velocity(x: torch.Tensor, t: torch.Tensor, **ignored: object) -> torch.Tensor:
        levels.append(float(t[0]))
        return torch.tanh(x) * 0.7 - t * 0.1

    sample = upstream.module("inference.sampling").sample_rf
    start, *renoise = (torch.from_numpy(array) for array in noise)
    with upstream.replayed_randn(*renoise), upstream.silence():
        latents = sample(velocity, start, init_data=None if init is None else torch.from_numpy(init), steps=steps,
                         sampler_type=name, sigma_max=sigma_max, device="cpu")  # fmt: skip
    return latents.numpy(), np.array(levels, np.float32)


@pytest.mark.parametrize("init", [False, True], ids=["from noise", "audio-to-audio"])
@pytest.mark.parametrize("sigma_max", SIGMA_MAX)
@pytest.mark.parametrize("steps", [1, 2, 4, 8, 16, 100])
@pytest.mark.parametrize("name", fitting(tuple(SAMPLERS), FLOW))
def test_trajectories_are_upstream_s(name: str, steps: int, sigma_max: float, init: bool) -> None:
    *noise, latents = islice(philox(SHAPE, 11), steps + 2)
    chosen = latents if init else None
    theirs, _ = upstream_run(name, steps, sigma_max, noise, chosen)
    spec = SamplerSpec(name=name, steps=steps, sigma_max=sigma_max)
    x = spec.start(noise[0], chosen)
    for step in spec.walk(lambda x, t: np.tanh(x) * np.float32(0.7) - np.float32(t * 0.1), iter(noise[1:]), x):
        x = step.following
    assert x.dtype == np.float32
    assert metrics.relative_l2(theirs, x) <= TRAJECTORY


@pytest.mark.parametrize("sigma_max", SIGMA_MAX)
@pytest.mark.parametrize("name", EXPLICIT_LEVELS)
def test_levels_are_upstream_s_bit_for_bit(name: str, sigma_max: float) -> None:
    """For 1 to 100 steps. Upstream's own bits depend on the machine: torch evaluates the sigmoid of a long row in
    vectors, with another exponential than that of a single number. Ours are those of a single number everywhere, so
    a level may differ from upstream's only where torch differs from itself."""
    for steps in range(1, 101):
        theirs = upstream_run(name, steps, sigma_max, [np.zeros(SHAPE, np.float32)] * (steps + 1), None)[1]
        ours = np.array(SamplerSpec(name=name, steps=steps, sigma_max=sigma_max).levels()[:-1], np.float32)
        start = -6.0 if sigma_max == 1 else np.log((1 - sigma_max) / sigma_max + 1e-6)
        logsnr = torch.linspace(start, 2, steps + 1)
        single = np.array([torch.sigmoid(-value) for value in logsnr], np.float32)[1:-1]
        row = torch.sigmoid(-logsnr).numpy()[1:-1]
        assert ours[0] == theirs[0] == np.float32(sigma_max)
        assert np.array_equal(ours[1:], single)
        assert np.array_equal(np.where(row == single, ours[1:], row), theirs[1:])


@pytest.mark.parametrize("steps", [1, 8, 100])
def test_rk4_levels_are_upstream_s(steps: int) -> None:
    theirs = upstream_run("rk4", steps, 0.75, [np.zeros(SHAPE, np.float32)], None)[1][::4]
    assert np.array_equal(
        np.array(SamplerSpec(name="rk4", steps=steps, sigma_max=0.75).levels()[:-1], np.float32), theirs
    )
