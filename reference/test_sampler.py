"""The sampler spec of flow models: levels, rules, noise."""

import ctypes
import hashlib
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference.spec.errors import InputError
from reference.spec.noise import philox
from reference.spec.sampling.objective import FLOW, OBJECTIVES, Objective, State
from reference.spec.sampling.samplers import MOST_STEPS, SAMPLERS, SamplerSpec, fitting
from reference.spec.sampling.scale import Shares
from reference.spec.sampling.schedule import LevelShift, _expf

EIGHT_LEVELS_HEX = "3f800000 3f7e4961 3f7b6541 3f73dbe6 3f617bea 3f3b26a8 3f000000 3e89b2b1 00000000"
ONE_ULP_SHARE = 2.0**-23
SHAPE = (1, 3, 5)
FLOW_SAMPLERS = fitting(tuple(SAMPLERS), FLOW)
FLOWS = {name: objective for name, objective in OBJECTIVES.items() if objective == FLOW}


def test_eight_levels_are_upstreams_bit_for_bit() -> None:
    levels = np.array(SamplerSpec().levels(), np.float32)
    assert " ".join(f"{bits:08x}" for bits in levels.view(np.uint32)) == EIGHT_LEVELS_HEX


@pytest.mark.parametrize("sigma_max", [0.0, 0.1, 0.25, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("steps", [1, 4, 8, 16, 100])
@pytest.mark.parametrize("name", FLOW_SAMPLERS)
def test_levels_fall_from_sigma_max_to_zero(name: str, steps: int, sigma_max: float) -> None:
    assert_levels(SamplerSpec(name=name, steps=steps, sigma_max=sigma_max))


@given(name=st.sampled_from(sorted(FLOW_SAMPLERS)), steps=st.integers(1, 100), sigma_max=st.floats(0.01, 1.0))
def test_levels_fall_from_any_sigma_max(name: str, steps: int, sigma_max: float) -> None:
    assert_levels(SamplerSpec(name=name, steps=steps, sigma_max=sigma_max))


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_the_most_levels_are_all_different(name: str) -> None:
    levels = SamplerSpec(name=name, steps=MOST_STEPS).levels()
    assert len(set(map(np.float32, levels))) == len(levels)
    with pytest.raises(InputError, match=f"steps is {MOST_STEPS + 1}, expected at most {MOST_STEPS}: with more, float32 tells"):
        SamplerSpec(name=name, steps=MOST_STEPS + 1)


def assert_levels(spec: SamplerSpec) -> None:
    levels = spec.levels()
    assert len(levels) == spec.steps + 1
    assert levels[0] == np.float32(spec.sigma_max)
    assert levels[-1] == 0
    assert all(now > after for now, after in pairwise(levels)) or (not any(levels) and spec.sigma_max == 0)


def test_expf_is_the_c_library_s() -> None:
    """On glibc, musl and Android; another library may differ in the last bit, so this runs where glibc is."""
    libm = ctypes.CDLL("libm.so.6")
    libm.expf.argtypes, libm.expf.restype = [ctypes.c_float], ctypes.c_float
    x = np.random.Generator(np.random.Philox(0)).uniform(-6, 15, 20_000).astype(np.float32)
    assert np.array_equal(_expf(x), np.array([libm.expf(value) for value in x.tolist()], np.float32))


@given(name=st.sampled_from(sorted(FLOW_SAMPLERS)), steps=st.integers(1, 12), seed=st.integers(0, 2**32))
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


# By hand, for velocity x / 2 from x = 4 (so dx/dt = x / 2) and a re-noise of -1; T is the level after the first of two
# steps, 1 / (1 + e^-2). Every clean estimate is x (1 - t / 2).
T = 0.8807970779778823
BY_HAND = {
    "pingpong": (1 - T) * 2 + T * -1,  # clean estimate 4 - 1 * 2
    "euler": 4 + (T - 1) * 2,
    "dpmpp": T * 4 + (1 - T) * 2,  # from pure noise the exponential is 0: a mix of state and clean estimate
    "rk4": 4 * (1 - 1 / 4 + 1 / 32 - 1 / 384 + 1 / 6144),  # e^(-1/4) to fourth order: level 1 to 1/2
}
LAST_BY_HAND = {
    **{name: first * (1 - T / 2) for name, first in BY_HAND.items()},  # all but rk4 end on the clean estimate
    "rk4": BY_HAND["rk4"] ** 2 / 4,
}


@pytest.mark.parametrize("name", BY_HAND)
def test_two_steps_by_hand(name: str) -> None:
    start, renoise = np.full(SHAPE, 4, np.float32), np.full(SHAPE, -1, np.float32)
    first, last = SamplerSpec(name=name, steps=2).walk(lambda x, t: x * 0.5, iter([renoise]), start)
    assert first.level == 1
    assert np.abs(first.following - BY_HAND[name]).max() <= 8 * ONE_ULP_SHARE
    assert np.abs(last.following - LAST_BY_HAND[name]).max() <= 8 * ONE_ULP_SHARE


def test_the_second_of_three_dpmpp_steps_by_hand() -> None:
    """After a step from pure noise the memory counts for nothing: its log-SNR length is infinite."""
    first, second, _ = SamplerSpec(name="dpmpp", steps=3).walk(
        lambda x, t: x * 0.5, iter(()), np.full(SHAPE, 4, np.float32)
    )
    now, after = (1 / (1 + math.exp(6 - 8 * i / 3)) for i in (1, 2))
    now, after = 1 - now, 1 - after
    x = now * 4 + (1 - now) * 2
    assert np.abs(first.following - x).max() <= 8 * ONE_ULP_SHARE
    shrink = math.exp(-8 / 3)  # the step is 8/3 in log-SNR
    expected = after / now * x + (1 - after) * (1 - shrink) * (x * (1 - now / 2))
    assert np.abs(second.following - expected).max() <= 8 * ONE_ULP_SHARE


def test_the_third_of_four_dpmpp_steps_by_hand() -> None:
    """All steps but the first are 2 in log-SNR: the aim is 1.5 of this clean estimate less 0.5 of the one before."""
    steps = list(SamplerSpec(name="dpmpp", steps=4).walk(lambda x, t: x * 0.5, iter(()), np.full(SHAPE, 4, np.float32)))
    now, after = steps[2].level, steps[3].level
    before, x = (np.float64(steps[i].x) for i in (1, 2))
    aim = 1.5 * x * (1 - now / 2) - 0.5 * before * (1 - steps[1].level / 2)
    expected = after / now * x + (1 - after) * (1 - math.exp(-2)) * aim
    assert np.abs(steps[2].following - expected).max() <= 8 * ONE_ULP_SHARE


def test_audio_to_audio_starts_between_latents_and_noise() -> None:
    noise, latents = np.full(SHAPE, 4, np.float32), np.full(SHAPE, -2, np.float32)
    assert np.abs(SamplerSpec(sigma_max=0.25).start(noise, latents) - -0.5).max() <= ONE_ULP_SHARE
    assert np.array_equal(SamplerSpec(sigma_max=0.0).start(noise, latents), latents)
    assert np.array_equal(SamplerSpec().start(noise), noise)


@pytest.mark.parametrize("name", FLOW_SAMPLERS)
def test_nothing_is_sampled_from_level_zero(name: str) -> None:
    spec = SamplerSpec(name=name, sigma_max=0.0)
    assert list(spec.walk(lambda x, t: x / 0, iter(()), np.ones(SHAPE, np.float32))) == []
    assert spec.draws == 1


@pytest.mark.parametrize(("options", "words"), [
    ({"name": "heun"}, "valid samplers of flow models: pingpong, euler, dpmpp, rk4; of v models: dpmpp-3m-sde, "),
    ({"steps": 0}, "steps is 0"),
    ({"steps": -3}, "steps is -3"),
    ({"sigma_max": -0.1}, "sigma_max is -0.1"),
    ({"sigma_max": 1.5}, "sigma_max is 1.5"),
    ({"sigma_max": math.nan}, "sigma_max is nan"),
])  # fmt: skip
def test_nonsense_is_refused(options: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        SamplerSpec(**options)


# SHA-256 of every state, velocity and clean estimate of eight steps from noise and five from between latents and noise.
WALKED = {
    "pingpong": "52a22d6783297b5a",
    "euler": "2fbcb22f35a37bc5",
    "dpmpp": "bbb70f09416fb1eb",
    "rk4": "60f2bea2fc8d0f95",
}


@pytest.mark.parametrize("name", FLOW_SAMPLERS)
def test_states_are_bit_for_bit_what_they_were_before_the_objective_had_a_place_of_its_own(name: str) -> None:
    digest = hashlib.sha256()
    for steps, sigma_max in ((8, 1.0), (5, 0.6)):
        spec = SamplerSpec(name=name, steps=steps, sigma_max=sigma_max, shift=LevelShift(mu=-0.7, sine=True))
        noise = philox(SHAPE, 3)
        start = spec.start(next(noise), next(noise) if sigma_max < 1 else None)
        for step in spec.walk(lambda x, t: x * 0.5 - t, noise, start):
            for array in (step.x, step.velocity, step.denoised, step.following):
                digest.update(array.tobytes())
    assert digest.hexdigest().startswith(WALKED[name])


# Clean 2, noise -4 at level 0.25: the state is 0.5, and the velocity -6.
@pytest.mark.parametrize("objective", FLOWS.values(), ids=list(FLOWS))
def test_an_objective_s_rules_undo_one_another(objective: Objective) -> None:
    clean, noise, velocity = (np.full(SHAPE, value, np.float32) for value in (2, -4, -6))
    state = objective.mixed(clean, noise, 0.25)
    assert np.array_equal(state, np.full(SHAPE, 0.5, np.float32))
    assert np.array_equal(objective.clean(state, 0.25, velocity), clean)
    scale = Shares(objective=objective)
    assert np.array_equal(scale.start(noise, clean, 0.25, 0.25), state)
    assert np.array_equal(scale.start(noise, None, 1.0, 1.0), noise)
    wrong = objective.clean(state, 0.25, velocity + 8)
    assert np.array_equal(np.abs(wrong - clean), np.full(SHAPE, 8 * objective.reach(0.25), np.float32))
