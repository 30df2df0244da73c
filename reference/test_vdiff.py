"""The sampler spec of the v objective: sigmas, rules, scales, what is refused."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference.spec.errors import InputError
from reference.spec.noise import open_noise, philox
from reference.spec.sampling.objective import State, V
from reference.spec.sampling.samplers import NOT_OFFERED, SAMPLERS, SamplerSpec, fitting, init_level
from reference.spec.sampling.scale import SIGMA_ENDS, Sigmas

V_SAMPLERS = fitting(tuple(SAMPLERS), V)
OVER_SIGMAS = [name for name in V_SAMPLERS if isinstance(SAMPLERS[name].scale, Sigmas)]
RENOISING = ("dpmpp-3m-sde", "dpmpp-2m-sde", "k-dpmpp-2s-ancestral")
TWICE = ("k-heun", "k-dpm-2", "k-dpmpp-2s-ancestral")  # they ask for two velocities a step, but for one in the last
SHAPE = (1, 3, 5)
ONE_ULP_SHARE = 2.0**-23
ROUNDING = 1e-6  # of sums of a few float32 products of order 1, and of a level rounded to float32

# (sigma_min, sigma_max): first, second and last of 100 sigmas, as torch has them.
SIGMAS_OF_100 = {
    (0.3, 500.0): (500.00006103515625, 463.9017333984375, 0.29999998211860657),
    (0.01, 100.0): (100.00000762939453, None, 0.009999999776482582),
}


@pytest.mark.parametrize("bounds", SIGMAS_OF_100)
def test_sigmas_are_upstream_s_bit_for_bit(bounds: tuple[float, float]) -> None:
    stops = SamplerSpec(name="dpmpp-3m-sde", steps=100, sigma_min=bounds[0], sigma_max=bounds[1]).stops()
    first, second, last = SIGMAS_OF_100[bounds]
    assert (stops[0], stops[-2], stops[-1]) == (first, last, 0)
    assert second in (stops[1], None)


def test_levels_of_the_card_s_sigmas() -> None:
    levels = SamplerSpec(name="dpmpp-3m-sde", steps=100).levels()
    assert levels[:2] == pytest.approx((0.99872673, 0.99862766), abs=ONE_ULP_SHARE)
    assert levels[-2:] == pytest.approx((0.18554714, 0), abs=ONE_ULP_SHARE)


@given(
    name=st.sampled_from(OVER_SIGMAS), steps=st.integers(2, 200), low=st.floats(0.01, 1), ratio=st.floats(1.5, 1e4)
)
def test_sigmas_fall_from_the_highest_to_the_lowest_and_to_zero(name: str, steps: int, low: float, ratio: float) -> None:
    spec = SamplerSpec(name=name, steps=steps, sigma_min=low, sigma_max=low * ratio)
    stops = spec.stops()
    assert len(stops) == steps + 1 == len(spec.levels())
    assert all(now > after for now, after in pairwise(stops))
    assert stops[0] == pytest.approx(low * ratio, rel=ROUNDING)
    assert stops[-2:] == (pytest.approx(low, rel=ROUNDING), 0)
    assert all(float(np.float32(level)) == level for level in spec.levels())


@given(name=st.sampled_from(V_SAMPLERS), steps=st.integers(2, 8), seed=st.integers(0, 2**32))
@settings(max_examples=50)
def test_numpy_and_torch_walk_the_same_bits(name: str, steps: int, seed: int) -> None:
    spec = SamplerSpec(name=name, steps=steps)

    def last(wrap: object) -> np.ndarray:
        noise = (wrap(array) for array in philox(SHAPE, seed))  # type: ignore[operator]
        for step in spec.walk(lambda x, t: x * 0.5 - t, noise, spec.start(next(noise))):
            x = step.following
        return np.asarray(x)

    assert np.array_equal(last(lambda array: array), last(torch.from_numpy))
    assert last(lambda array: array).dtype == np.float32


def exact(clean: float) -> object:
    """The velocity of a model that knows the clean latent is `clean` everywhere."""

    def velocity(x: State, level: float) -> State:
        alpha, sigma = math.cos(math.pi * level / 2), math.sin(math.pi * level / 2)
        return (x * alpha - clean) * (1 / sigma)

    return velocity


@pytest.mark.parametrize("name", V_SAMPLERS)
@pytest.mark.parametrize("steps", [2, 3, 8])
def test_an_exact_velocity_leads_to_the_clean_latent(name: str, steps: int) -> None:
    spec, drawn = SamplerSpec(name=name, steps=steps), list[State]()

    def noise():  # type: ignore[no-untyped-def]
        for array in philox(SHAPE, 7):
            drawn.append(array)
            yield array

    drawing = noise()
    *_, last = spec.walk(exact(2.0), drawing, spec.start(next(drawing)))  # type: ignore[arg-type]
    assert np.abs(last.following - 2).max() <= 32 * ONE_ULP_SHARE
    assert len(drawn) == spec.draws == (steps if name in RENOISING else 1)


@pytest.mark.parametrize("name", V_SAMPLERS)
def test_a_step_has_what_the_model_saw_and_what_that_points_to(name: str) -> None:
    spec, noise, asked = SamplerSpec(name=name, steps=5), philox(SHAPE, 1), list[tuple[State, float]]()

    def answer(x: State, level: float) -> State:
        return np.tanh(x) - np.float32(level)

    def velocity(x: State, level: float) -> State:
        asked.append((x, level))
        return answer(x, level)

    steps = list(spec.walk(velocity, noise, spec.start(next(noise))))
    assert [step.level for step in steps] == list(spec.levels()[:-1])
    assert len(asked) == (9 if name in TWICE else 5)
    own = asked[::2] if name in TWICE else asked
    for step, (x, level) in zip(steps, own, strict=True):
        assert step.level == level
        assert np.array_equal(step.x, x)
        assert np.array_equal(step.velocity, answer(x, level))
        assert np.abs(step.denoised - V.clean(step.x, level, step.velocity)).max() <= ROUNDING
    assert np.array_equal(steps[-1].following, steps[-1].denoised)


# Clean 2, noise -4 at the level whose angle has cosine 3/5 and sine 4/5.
LEVEL = 2 * math.acos(0.6) / math.pi


def test_the_v_objective_s_rules_undo_one_another() -> None:
    clean, noise = (np.full(SHAPE, value, np.float32) for value in (2, -4))
    state = V.mixed(clean, noise, LEVEL)
    velocity = noise * 0.6 - clean * 0.8
    assert np.abs(state - (0.6 * 2 - 0.8 * 4)).max() <= ROUNDING
    assert np.abs(V.clean(state, LEVEL, velocity) - clean).max() <= ROUNDING
    assert np.abs(V.noise(state, LEVEL, velocity) - noise).max() <= ROUNDING
    spec = SamplerSpec(name="v-ddim", sigma_max=LEVEL)
    assert np.array_equal(spec.start(noise), noise)
    assert np.array_equal(spec.start(noise, clean), state)
    wrong = V.clean(state, LEVEL, velocity + 8)
    assert np.abs(np.abs(wrong - V.clean(state, LEVEL, velocity)) - 8 * V.reach(LEVEL)).max() <= 8 * ROUNDING
    assert V.reach(LEVEL) == V.noise_share(LEVEL) == pytest.approx(0.8)


@pytest.mark.parametrize("init", [None, np.full(SHAPE, 3, np.float32)], ids=["noise", "init audio"])
def test_a_walk_over_sigmas_starts_from_noise_that_is_added(init: State | None) -> None:
    noise, spec = np.full(SHAPE, -2, np.float32), SamplerSpec(name="dpmpp-2m", sigma_max=10.0)
    expected = noise * np.float32(spec.stops()[0]) + (0 if init is None else init)
    assert np.array_equal(spec.start(noise, init), expected)


def test_samplers_over_sigmas_need_no_init_audio_to_start_anywhere() -> None:
    assert SamplerSpec(name="k-heun", sigma_max=7.0).alone
    assert SamplerSpec(name="v-ddim").alone
    assert not SamplerSpec(name="v-ddim", sigma_max=0.7).alone


@pytest.mark.parametrize(("options", "words"), [
    ({"name": "dpmpp-3m-sde", "steps": 1}, "steps is 1, expected at least 2 of sampler 'dpmpp-3m-sde'"),
    ({"name": "dpmpp-2m-sde", "steps": 1}, "steps is 1, expected at least 2 of sampler 'dpmpp-2m-sde'"),
    ({"name": "dpmpp-2m", "sigma_max": 0.3}, "sigma_max is 0.3, expected a finite number above sigma_min 0.3"),
    ({"name": "dpmpp-2m", "sigma_min": 500.0}, "sigma_max is 500.0, expected a finite number above sigma_min 500.0"),
    ({"name": "k-heun", "sigma_max": 0.0}, "sigma_max is 0.0, expected a finite number above sigma_min"),
    ({"name": "k-heun", "sigma_max": math.inf}, "sigma_max is inf"),
    ({"name": "k-heun", "sigma_max": math.nan}, "sigma_max is nan"),
    ({"name": "k-heun", "sigma_min": 0.0}, "sigma_min is 0.0, expected a finite number above 0"),
    ({"name": "k-heun", "sigma_min": math.inf}, "sigma_min is inf, expected a finite number above 0"),
    ({"name": "k-heun", "sigma_min": -1.0}, "sigma_min is -1.0"),
    ({"name": "k-heun", "sigma_max": 1.1e18}, r"sigmas from 0\.3 to 1\.1e\+18 are more than float32 .* 1e-18 to 1e\+18 at most"),
    ({"name": "k-heun", "sigma_min": 0.9e-18}, "sigmas from 9e-19 to 500.0 are more than float32"),
    ({"name": "v-ddim", "sigma_max": 500.0}, "sigma_max is 500.0, expected 0 to 1"),
    ({"name": "v-ddim", "sigma_min": 0.3}, "sigma_min is 0.3, but this sampler's last level is 0"),
])  # fmt: skip
def test_nonsense_is_refused(options: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        SamplerSpec(**options)


@pytest.mark.parametrize(("sampler", "asked", "sigma_min", "words"), [
    ("euler", math.nan, None, "init_noise_level is nan, expected 0 to 1"),
    ("k-heun", 0.3, None, "init_noise_level is 0.3, expected a finite number above sigma_min 0.3"),
    ("k-heun", 7.0, 9.0, "init_noise_level is 7.0, expected a finite number above sigma_min 9.0"),
    ("k-heun", math.nan, None, "init_noise_level is nan, expected a finite number above sigma_min 0.3"),
    ("k-heun", None, None, "sampler 'k-heun' starts from init audio at a sigma; say which with --init-noise-level"),
    ("v-ddim", 7.0, None, "init_noise_level is 7.0, expected 0 to 1"),
], ids=str)  # fmt: skip
def test_a_start_from_audio_is_refused_by_the_name_it_is_asked_for(
    sampler: str, asked: float | None, sigma_min: float | None, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        init_level(sampler, asked, sigma_min)


@pytest.mark.parametrize(("sampler", "asked", "level"), [
    ("euler", None, 0.7), ("euler", 0.0, 0.0), ("k-heun", 7.0, 7.0), ("v-ddim", None, 0.7),
], ids=str)  # fmt: skip
def test_a_start_from_audio_is_what_is_asked_for_or_usual(sampler: str, asked: float | None, level: float) -> None:
    assert init_level(sampler, asked, None) == level


def test_sigmas_that_float32_cannot_tell_apart_are_refused() -> None:
    spec = SamplerSpec(name="dpmpp-2m", steps=100, sigma_min=1.0, sigma_max=1.000001)
    with pytest.raises(InputError, match=r"100 steps from sigma 1\.000001 to 1\.0 do not stay apart in float32"):
        spec.stops()


@pytest.mark.parametrize("name", OVER_SIGMAS)
@pytest.mark.parametrize("steps", [2, 5])
@pytest.mark.parametrize("stream", ["philox", "torch-tree"])
def test_the_widest_range_of_sigmas_is_walked_to_numbers(name: str, steps: int, stream: str) -> None:
    low = SIGMA_ENDS[0] if stream == "philox" else None  # the tree rounds times this small together
    spec = SamplerSpec(name=name, steps=steps, sigma_min=low, sigma_max=SIGMA_ENDS[1])
    noise = open_noise(stream if spec.in_tree else "philox", SHAPE, 0, sampler=spec)
    *_, last = spec.walk(lambda x, t: np.tanh(x) - np.float32(t), noise, spec.start(next(noise)))
    assert np.isfinite(last.following).all()


@pytest.mark.parametrize("name", NOT_OFFERED)
def test_upstream_s_other_samplers_are_refused_with_the_reason(name: str) -> None:
    with pytest.raises(InputError, match=f"'{name}' of stable-audio-tools is not offered, {NOT_OFFERED[name]}; valid"):
        SamplerSpec(name=name)
