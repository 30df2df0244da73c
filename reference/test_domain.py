"""Every input of every stage has a domain, drawn from a seed, whose places cover it; what was asked and answered is a trace."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures import TINY_MODEL_DIR
from reference.model_files import locate
from reference.spec.config import read_model_spec
from reference.spec.domain import BEYOND, QUIET, SCHEDULES, Place
from reference.spec.model import SECONDS_START, SECONDS_TOTAL, ModelSpec
from reference.spec.ports import Port
from reference.spec.sampling.objective import V
from reference.spec.sampling.samplers import usual_sampler
from reference.spec.sampling.scale import SIGMA_MAX
from reference.spec.sampling.schedule import logsnr_levels
from reference.spec.stages import ALL_STAGES, CONDITIONER, DECODER, DIT, ENCODER, STAGE_TABLE
from reference.spec.tensors import Array, Tensors

FILES = locate(TINY_MODEL_DIR)
SPEC = read_model_spec(FILES.config, FILES.t5_folder)
COUNT = 16  # as many as the gate draws
# Of six latents of 0.5 to 3 sigma: the highest sixth begins at 2.58, and so few values are spread by some 8 %.
HIGHEST_AT_LEAST = 2.3
APART_S = 0.05  # the least that two numbers of a place differ by
SEEDS = st.integers(0, 2**63)


def port_of(stage: str, name: str) -> Port:
    return next(port for port in STAGE_TABLE[stage].inputs if port.name == name)


def values(stage: str, name: str, seed: int, count: int = COUNT, spec: ModelSpec = SPEC) -> list[Array]:
    port = port_of(stage, name)
    assert port.domain is not None
    tensor = port.tensor(spec)
    places = (Place(index=index, count=count, seed=seed, spec=spec) for index in range(count))
    return [tensor.check(port.domain.value(place, tensor)) for place in places]


def feeds(stage: str, seed: int = 0) -> list[Tensors]:
    row = STAGE_TABLE[stage]
    places = (Place(index=index, count=3, seed=seed, spec=SPEC) for index in range(3))
    return [row.drawn(place, trace_of_nothing(stage)) for place in places]


def trace_of_nothing(stage: str) -> Tensors:
    """A trace of one call in which all inputs are zero."""
    row = STAGE_TABLE[stage]
    ports = [port for port in (*row.inputs, *row.outputs) if port.belongs(SPEC.number_names)]
    zeros = {port.name: np.zeros(port.tensor(SPEC).shape, port.dtype) for port in ports}
    return row.kept([zeros], [zeros])


@given(SEEDS)
def test_levels_are_beyond_0_and_up_to_1_and_leave_no_wide_gap(seed: int) -> None:
    levels = np.concatenate(values(DIT, "t", seed))
    assert levels[0] == 1
    assert levels.min() > 0
    assert levels.max() <= 1
    scheduled = {np.float32(level) for steps in SCHEDULES for level in logsnr_levels(steps, 1.0)}
    assert set(levels[::2]) <= scheduled
    even = np.sort(levels[1::2])
    assert np.diff(even).max() <= 4 / COUNT
    assert even.min() <= 1 / (COUNT - 1)


@given(SEEDS)
def test_seconds_reach_from_the_least_to_beyond_the_most(seed: int) -> None:
    seconds = np.concatenate(values(CONDITIONER, "seconds_total", seed))
    least, most = SPEC.seconds.min_s, SPEC.seconds.max_s
    assert {least, most, BEYOND * most} <= set(seconds.tolist())
    assert seconds.min() == least
    assert seconds.max() == BEYOND * most
    inside = seconds[(seconds > 0.25 * most) & (seconds < 0.9 * most)]
    assert inside.size >= 2  # a stretch that is half of an octave and more


@given(SEEDS)
def test_levels_of_the_v_objective_are_those_of_its_usual_schedules(seed: int) -> None:
    """That of the highest sigma first."""
    levels = np.concatenate(values(DIT, "t", seed, spec=replace(SPEC, objective="v")))
    assert set(levels[::2]) <= {np.float32(level) for steps in SCHEDULES for level in usual_sampler(V, steps).levels()}
    assert levels[0] == np.float32(2 * np.arctan(SIGMA_MAX) / np.pi)
    assert levels.min() > 0
    assert levels.max() <= 1


@given(SEEDS)
def test_two_numbers_are_nowhere_alike(seed: int) -> None:
    """So that one cannot be taken for the other anywhere in a sweep; each has the same values in another order."""
    numbers = tuple(replace(SPEC.seconds, name=name) for name in (SECONDS_START, SECONDS_TOTAL))
    start, total = (np.concatenate(values(CONDITIONER, one.name, seed, spec=replace(SPEC, numbers=numbers))) for one in numbers)
    assert sorted(start) == sorted(total) == sorted(np.concatenate(values(CONDITIONER, SECONDS_TOTAL, seed)))
    assert (np.abs(start - total) > APART_S).all()


@given(SEEDS)
def test_prompts_use_the_whole_vocabulary_and_the_mask_is_theirs(seed: int) -> None:
    ids, masks = values(CONDITIONER, "input_ids", seed), values(CONDITIONER, "attention_mask", seed)
    assert COUNT * SPEC.prompt.max_length >= SPEC.t5.vocab_size
    told = np.concatenate([one[mask == 1] for one, mask in zip(ids, masks, strict=True)])
    assert set(told.tolist()) == set(range(SPEC.t5.vocab_size))
    for one, mask in zip(ids, masks, strict=True):
        length = int(mask.sum())
        assert length > 0
        assert (mask[0, :length] == 1).all()
        assert not one[0, length:].any()


@given(SEEDS)
def test_sounds_are_silence_a_sweep_an_impulse_and_noise_of_any_loudness(seed: int) -> None:
    silence, sweep, impulse, noise, *others = values(ENCODER, "audio", seed, 6)
    assert not silence.any()
    assert np.count_nonzero(impulse) == SPEC.audio_channels
    for sound in (sweep, impulse, noise):
        assert 0.99 < np.abs(sound).max() <= 1
    assert all(QUIET / 2 < np.abs(sound).max() <= 1 for sound in others)


@given(SEEDS)
def test_latents_are_of_half_to_three_sigma(seed: int) -> None:
    sigmas = [float(np.std(latents)) for latents in values(DECODER, "latents", seed, 6)]
    assert min(sigmas) < 1
    assert max(sigmas) > HIGHEST_AT_LEAST


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_the_seed_says_what_is_drawn(stage: str) -> None:
    once, again, other = feeds(stage), feeds(stage), feeds(stage, seed=1)
    assert all(np.array_equal(one[name], two[name]) for one, two in zip(once, again, strict=True) for name in one)
    assert any(not np.array_equal(one[name], two[name]) for one, two in zip(once, other, strict=True) for name in one)


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_an_input_is_drawn_or_what_another_stage_answers(stage: str) -> None:
    answered = {port.name for row in STAGE_TABLE.values() for port in row.outputs}
    assert {port.name for port in STAGE_TABLE[stage].inputs if port.domain is None} <= answered


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_what_is_kept_is_found_again_call_by_call(stage: str) -> None:
    row, asked = STAGE_TABLE[stage], feeds(stage)[: 3 if STAGE_TABLE[stage].per_step else 1]
    answers = [{port.name: np.full(port.tensor(SPEC).shape, 0.5 + call) for port in row.outputs} for call in range(len(asked))]
    trace = row.kept(asked, answers)
    assert row.calls(trace) == len(asked) if row.per_step else row.calls_in(1) == 1
    for call, (fed, answer) in enumerate(zip(asked, answers, strict=True)):
        assert all(np.array_equal(row.feed(trace, call)[name], array) for name, array in fed.items())
        assert all(np.array_equal(row.truth(trace, call)[name], array) for name, array in answer.items())


def test_only_what_tells_places_apart_differs_from_one_to_the_next() -> None:
    """So that the response to the level can be told from that to the state."""
    first, second, _ = feeds(DIT)
    assert np.array_equal(first["x"], second["x"])
    assert not np.array_equal(first["t"], second["t"])
