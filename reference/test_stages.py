"""The stage table: what a row says a stage was fed and answered is what a generation fed it and what it answered."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from fixtures import TINY_MODEL_DIR
from reference.pipeline import Model, load_model
from reference.spec.generation import Request, Stage, generate
from reference.spec.noise import ENCODER_NOISE, philox
from reference.spec.sampling.samplers import SamplerSpec
from reference.spec.stages import ALL_STAGES, DIT, ENCODER, GENERATION, STAGE_TABLE, signatures
from reference.spec.tensors import Array, Tensors
from reference.spec.trace import at_step, crossing, steps

STEPS = 5


@pytest.fixture(scope="module")
def tiny() -> Model:
    return load_model(TINY_MODEL_DIR)


@pytest.fixture(scope="module")
def generation(tiny: Model) -> tuple[Tensors, dict[str, list[Tensors]]]:
    """An audio-to-audio trace, and what each stage was really asked in it, call by call."""
    asked: dict[str, list[Tensors]] = {name: [] for name in ALL_STAGES}
    pipeline = tiny.pipeline()
    noted = {name: _noting(stage, tiny, name, asked[name]) for name, stage in pipeline.stages.items()}
    audio = next(philox(tiny.spec.audio_shape, 1)) / 10
    request = Request(prompt="drums", seconds=2.0, sampler=SamplerSpec(steps=STEPS, sigma_max=0.7), init_audio=audio)
    trace = generate(replace(pipeline, stages=noted), request, philox(tiny.spec.latent_shape, 0))
    return trace | {"audio": request.init_audio} | {"decoded": trace["audio"]}, asked


def _noting(stage: Stage, model: Model, name: str, asked: list[Tensors]) -> Stage:
    def run(feed: Mapping[str, Array]) -> Tensors:
        asked.append(signatures(model.spec)[name].bind(feed))
        return stage(feed)

    return run


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_a_row_feeds_what_the_generation_fed(
    tiny: Model, generation: tuple[Tensors, dict[str, list[Tensors]]], stage: str
) -> None:
    trace, asked = generation
    row = STAGE_TABLE[stage]
    assert row.calls(trace) == len(asked[stage]) == row.calls_in(STEPS)
    for call, feed in enumerate(asked[stage]):
        ours = row.signature(tiny.spec).bind(row.feed(trace, call))
        assert list(ours) == list(feed)
        assert all(np.array_equal(ours[name], feed[name]) for name in feed)


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_a_row_s_truth_is_what_the_stage_answered(
    tiny: Model, generation: tuple[Tensors, dict[str, list[Tensors]]], stage: str
) -> None:
    trace, asked = generation
    row = STAGE_TABLE[stage]
    held = trace | ({} if row.optional else {"audio": trace["decoded"]})
    for call, feed in enumerate(asked[stage]):
        answer, truth = tiny.stage(stage)(feed), row.truth(held, call)
        assert answer.keys() == truth.keys()
        assert all(np.array_equal(answer[name], truth[name]) for name in answer)


def test_rows_say_what_decides_elsewhere() -> None:
    assert [row.name for row in STAGE_TABLE.values() if row.per_step] == [DIT]
    assert [row.name for row in STAGE_TABLE.values() if row.optional] == [ENCODER]
    assert {row.name: row.draws for row in STAGE_TABLE.values() if row.draws} == {ENCODER: (ENCODER_NOISE,)}
    assert (*GENERATION, ENCODER) == ALL_STAGES
    assert STAGE_TABLE[DIT].step(3) == 3
    assert STAGE_TABLE[ENCODER].step(0) is None


def test_a_trace_s_names() -> None:
    assert at_step("v", 3) == "v_3"
    assert steps({"levels": np.linspace(1, 0, STEPS + 1)}) == STEPS


def test_what_crosses_is_float32_and_ids_stay() -> None:
    single, ids = np.ones(2, np.float32), np.ones(2, np.int32)
    found = crossing({"double": np.ones(2), "half": np.ones(2, np.float16), "single": single, "ids": ids})
    assert [array.dtype for array in found.values()] == [np.float32, np.float32, np.float32, np.int32]
    assert found["single"] is single
    assert found["ids"] is ids
