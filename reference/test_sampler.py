"""The sampler spec: levels, rules, noise."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference.spec.errors import InputError
from reference.spec.noise import draw_names, from_file, open_noise, philox
from reference.spec.sampler import SAMPLERS, SamplerSpec, State

EIGHT_LEVELS_HEX = "3f800000 3f7e4961 3f7b6541 3f73dbe6 3f617bea 3f3b26a8 3f000000 3e89b2b1 00000000"
PHILOX_SEED_0_HEX = "be7e2fc9 bcdb4680 bff8e2a2"  # first values of numpy's Philox stream, pinned
ONE_ULP_SHARE = 2.0**-23
SHAPE = (1, 3, 5)


def test_eight_levels_are_upstreams_bit_for_bit() -> None:
    levels = np.array(SamplerSpec().levels(), np.float32)
    assert " ".join(f"{bits:08x}" for bits in levels.view(np.uint32)) == EIGHT_LEVELS_HEX


@pytest.mark.parametrize("steps", [1, 2, 3, 8, 50, 100])
def test_levels_follow_torch_to_the_last_bit_but_one(steps: int) -> None:
    ours = np.array(SamplerSpec(steps=steps).levels(), np.float32)
    theirs = torch.sigmoid(-torch.linspace(-6, 2, steps + 1)).numpy()
    theirs[0], theirs[-1] = 1, 0
    assert np.all(np.abs(ours - theirs) <= ONE_ULP_SHARE * theirs)


@given(
    name=st.sampled_from(sorted(SAMPLERS)),
    steps=st.sampled_from([1, 4, 8, 16, 100]),
    sigma_max=st.sampled_from([0.1, 0.25, 0.5, 0.75, 1.0]) | st.floats(0.01, 1.0),
)
def test_levels_fall_from_sigma_max_to_zero(name: str, steps: int, sigma_max: float) -> None:
    levels = SamplerSpec(name=name, steps=steps, sigma_max=sigma_max).levels()
    assert len(levels) == steps + 1
    assert np.float32(levels[0]) == np.float32(sigma_max)
    assert levels[-1] == 0
    assert all(now > after for now, after in pairwise(levels))


@given(name=st.sampled_from(sorted(SAMPLERS)), steps=st.integers(1, 12), seed=st.integers(0, 2**32))
@settings(max_examples=50)
def test_numpy_and_torch_walk_the_same_bits(name: str, steps: int, seed: int) -> None:
    spec = SamplerSpec(name=name, steps=steps)

    def last(wrap: object) -> np.ndarray:
        noise = (wrap(array) for array in philox(SHAPE, seed))  # type: ignore[operator]
        for step in spec.walk(lambda x, t: x * 0.5 - t, noise, next(noise)):
            x = step.following
        return np.asarray(x)

    assert np.array_equal(last(lambda array: array), last(torch.from_numpy))
    assert last(lambda array: array).dtype == np.float32


def walk(name: str, steps: int) -> tuple[list[State], list[State]]:
    """States and noise of a run whose velocity is exact: noise - clean for clean = 2."""
    spec, drawn = SamplerSpec(name=name, steps=steps), []

    def noise():  # type: ignore[no-untyped-def]
        for array in philox(SHAPE, 7):
            drawn.append(array)
            yield array

    def velocity(x: State, t: float) -> State:
        clean = np.float32(2)
        return (x - clean) / np.float32(t) if t else x * 0

    drawing = noise()
    walked = [(step.x, step.following) for step in spec.walk(velocity, drawing, next(drawing))]
    return [walked[0][0], *(following for _, following in walked)], drawn


@pytest.mark.parametrize("name", ["pingpong", "euler", "dpmpp"])
@pytest.mark.parametrize("steps", [1, 2, 8])
def test_an_exact_velocity_leads_to_the_clean_latent(name: str, steps: int) -> None:
    states, drawn = walk(name, steps)
    assert np.abs(states[-1] - 2).max() <= 16 * ONE_ULP_SHARE
    assert len(drawn) == SamplerSpec(name=name, steps=steps).draws


def test_two_ping_pong_steps_by_hand() -> None:
    """Levels 1, 0.880797, 0; velocity 0.5 x: x1 = (1 - t) * (x0 / 2) + t * n1, latents = x1 - t * x1 / 2."""
    start, *noise = [np.full(SHAPE, value, np.float32) for value in (4.0, -1.0)]
    steps = list(SamplerSpec(steps=2).walk(lambda x, t: x * 0.5, iter(noise), start))
    t = 1 / (1 + math.exp(-2))
    x1 = (1 - t) * 2.0 + t * -1.0
    assert steps[0].level == 1
    assert np.abs(steps[0].following - x1).max() <= 4 * ONE_ULP_SHARE
    assert np.abs(steps[1].following - (x1 - t * x1 / 2)).max() <= 4 * ONE_ULP_SHARE


@pytest.mark.parametrize(("options", "words"), [
    ({"name": "heun"}, "valid samplers: pingpong, euler, dpmpp, rk4"),
    ({"steps": 0}, "steps is 0"),
    ({"steps": -3}, "steps is -3"),
    ({"sigma_max": -0.1}, "sigma_max is -0.1"),
    ({"sigma_max": 1.5}, "sigma_max is 1.5"),
    ({"sigma_max": math.nan}, "sigma_max is nan"),
])  # fmt: skip
def test_nonsense_is_refused(options: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        SamplerSpec(**options)


def test_the_philox_stream_is_pinned() -> None:
    first = next(philox((3,), 0))
    assert first.dtype == np.float32
    assert " ".join(f"{bits:08x}" for bits in first.view(np.uint32)) == PHILOX_SEED_0_HEX


@pytest.mark.parametrize(("arrays", "words"), [
    ({}, "'noise_0' is missing"),
    ({"noise_0": np.zeros((1, 5, 3), np.float32)}, r"expected float32\[1, 3, 5\]"),
    ({"noise_0": np.zeros(SHAPE)}, "is float64"),
    ({"noise_0": np.array([{}], dtype=object)}, "not a readable .npz"),
], ids=["missing", "transposed", "double", "pickled"])  # fmt: skip
def test_bad_noise_files_are_refused(tmp_path: Path, arrays: dict, words: str) -> None:
    np.savez(tmp_path / "noise.npz", **arrays)
    with pytest.raises(InputError, match=words):
        next(from_file(tmp_path / "noise.npz", SHAPE, draw_names(init_audio=False)))


@pytest.mark.parametrize(("kind", "seed", "words"), [
    ("mersenne", 0, "valid: philox"), ("philox", -1, "seed is -1"), ("missing.npz", 0, "no such file"),
])  # fmt: skip
def test_bad_noise_options_are_refused(kind: str, seed: int, words: str) -> None:
    with pytest.raises(InputError, match=words):
        next(open_noise(kind, SHAPE, seed))
