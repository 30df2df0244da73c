"""The stage table: what a row says a stage was fed and answered is what a generation fed it and what it answered."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fixtures import TINY_MODEL_DIR
from fixtures.make_model import make_model
from reference.pipeline import Model, load_model
from reference.spec.generation import Request, Stage, generate
from reference.spec.noise import ENCODER_NOISE, philox
from reference.spec.ports import Call
from reference.spec.sampling.guidance import Guidance
from reference.spec.sampling.samplers import SamplerSpec
from reference.spec.stages import ALL_STAGES, CONDITIONER, DECODER, DIT, ENCODER, GENERATION, STAGE_TABLE, signatures
from reference.spec.tensors import Array, Tensors
from reference.spec.trace import at_step, crossing, steps

STEPS = 5
TINY, OPEN1 = "tiny", "open1-tiny"
Generation = tuple[Model, Tensors, dict[str, list[Tensors]]]
# Guidance from both halves of a model that is told two numbers; not in every step, so that calls are not steps.
GUIDED = Guidance(scale=3.0, negative_prompt="noise", negative_seconds=5.0, negative_start=2.0, interval=(0.0, 0.95))
UNGUIDED_STEPS = 3  # of them, whose share of noise is above the interval
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "from audio": (TINY, {"sampler": SamplerSpec(steps=STEPS, sigma_max=0.7)}),
    "guided": (OPEN1, {"sampler": SamplerSpec(name="dpmpp-3m-sde", steps=STEPS), "seconds_start": 1.0, "guidance": GUIDED}),
    "led away from nothing": (
        OPEN1, {"sampler": SamplerSpec(name="k-heun", steps=STEPS), "seconds_start": 1.0, "guidance": Guidance(scale=2.0)},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    folder = tmp_path_factory.mktemp("models") / OPEN1
    make_model(folder, OPEN1, seed=0)
    return {TINY: load_model(TINY_MODEL_DIR), OPEN1: load_model(folder)}


@pytest.fixture(scope="module")
def tiny(models: dict[str, Model]) -> Model:
    return models[TINY]


@pytest.fixture(scope="module", params=REQUESTS)
def generation(request: pytest.FixtureRequest, models: dict[str, Model]) -> Generation:
    """A trace that starts from audio, and what each stage was really asked in it, call by call; of a step that asks several times
    the first, for each half of its guidance."""
    name, options = REQUESTS[request.param]
    model, asked = models[name], {stage: list[Tensors]() for stage in ALL_STAGES}
    pipeline = model.pipeline()
    noted = {stage: _noting(run, model, stage, asked[stage]) for stage, run in pipeline.stages.items()}
    audio = next(philox(model.spec.audio_shape, 1)) / 10
    wanted = Request(prompt="drums", seconds=2.0, init_audio=audio, **options)
    trace = generate(replace(pipeline, stages=noted), wanted, philox(model.spec.latent_shape, 0))
    return model, trace | {"audio": audio} | {"decoded": trace["audio"]}, asked


def _noting(stage: Stage, model: Model, name: str, asked: list[Tensors]) -> Stage:
    def run(feed: Mapping[str, Array]) -> Tensors:
        asked.append(signatures(model.spec)[name].bind(feed))
        return stage(feed)

    return run


def first_asked(trace: Tensors, asked: list[Tensors]) -> list[Tensors]:
    """Of the calls of a stage those at the states that steps begin with."""
    states = [trace[at_step("x", step)] for step in range(STEPS)]
    return [feed for feed in asked if "x" not in feed or any(np.array_equal(feed["x"], x) for x in states)]


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_a_row_feeds_what_the_generation_fed(generation: Generation, stage: str) -> None:
    model, trace, asked = generation
    row, calls = STAGE_TABLE[stage], first_asked(trace, asked[stage])
    assert row.calls(trace) == len(calls)
    for call, feed in enumerate(calls):
        ours = signatures(model.spec)[stage].bind(row.feed(trace, call))
        assert list(ours) == list(feed)
        assert all(np.array_equal(ours[name], feed[name]) for name in feed)
        assert row.call_in(trace, row.places(trace)[call].step) <= call


def test_both_halves_of_guidance_are_calls(generation: Generation) -> None:
    """Two in each guided step, and two of a conditioner that is told a negative prompt."""
    _, trace, _ = generation
    guided = [step for step in range(STEPS) if at_step("u", step) in trace]
    places = STAGE_TABLE[DIT].places(trace)
    assert [place.step for place in places if place.away] == guided
    assert [place.step for place in places if not place.away] == list(range(STEPS))
    assert (len(STAGE_TABLE[CONDITIONER].places(trace)) == 2) == ("negative_input_ids" in trace)
    assert STAGE_TABLE[DECODER].places(trace) == STAGE_TABLE[ENCODER].places(trace) == [Call()]


def test_a_step_that_is_not_guided_is_one_call(models: dict[str, Model]) -> None:
    name, options = REQUESTS["guided"]
    wanted = Request(prompt="drums", seconds=2.0, **options)
    trace = generate(models[name].pipeline(), wanted, philox(models[name].spec.latent_shape, 0))
    assert STAGE_TABLE[DIT].calls(trace) == 2 * STEPS - UNGUIDED_STEPS
    assert STAGE_TABLE[DIT].call_in(trace, UNGUIDED_STEPS) == UNGUIDED_STEPS
    assert STAGE_TABLE[DIT].call_in(trace, UNGUIDED_STEPS + 1) == UNGUIDED_STEPS + 2


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_a_row_s_truth_is_what_the_stage_answered(generation: Generation, stage: str) -> None:
    model, trace, asked = generation
    row = STAGE_TABLE[stage]
    held = trace | ({} if row.optional else {"audio": trace["decoded"]})
    for call, feed in enumerate(first_asked(trace, asked[stage])):
        answer, truth = model.stage(stage)(feed), row.truth(held, call)
        assert answer.keys() == truth.keys()
        assert all(np.array_equal(answer[name], truth[name]) for name in answer)


def test_rows_say_what_decides_elsewhere() -> None:
    assert [row.name for row in STAGE_TABLE.values() if row.per_step] == [DIT]
    assert [row.name for row in STAGE_TABLE.values() if row.optional] == [ENCODER]
    assert {row.name: row.draws for row in STAGE_TABLE.values() if row.draws} == {ENCODER: (ENCODER_NOISE,)}
    assert (*GENERATION, ENCODER) == ALL_STAGES
    trace = {"levels": np.linspace(1, 0, STEPS + 1)}
    assert [place.step for place in STAGE_TABLE[DIT].places(trace)] == list(range(STEPS))
    assert STAGE_TABLE[ENCODER].places(trace) == [Call()]
    assert STAGE_TABLE[DIT].calls_in(STEPS) == STEPS
    assert STAGE_TABLE[DECODER].calls_in(STEPS) == 1


def test_a_trace_s_names() -> None:
    assert at_step("v", 3) == "v_3"
    assert steps({"levels": np.linspace(1, 0, STEPS + 1)}) == STEPS


def test_what_crosses_is_float32_and_ids_stay() -> None:
    single, ids = np.ones(2, np.float32), np.ones(2, np.int32)
    found = crossing({"double": np.ones(2), "half": np.ones(2, np.float16), "single": single, "ids": ids})
    assert [array.dtype for array in found.values()] == [np.float32, np.float32, np.float32, np.int32]
    assert found["single"] is single
    assert found["ids"] is ids
