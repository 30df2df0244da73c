"""What is between the stages is judged apart from them: tokens, levels, states, from noise and from audio."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from litert_pipeline.bundle import Bundle
from parity.judge.judge import Judge
from parity.measure.limits import BETWEEN
from parity.measure.replay import asked, audio_to_audio, compare
from parity.measure.verdict import ARTIFACT, REPLAYED
from parity.meta_tests.test_gate import copied, gate, rewrite_manifest
from parity.test_parity import case_called
from reference.spec.generation import generate


def test_pipelines_of_all_variants_do_as_the_reference_does(judge: Judge, variant: str) -> None:
    for from_audio in (False, True):
        checks = judge.replayed(variant, case_called(judge, "one_too_many"), from_audio=from_audio)
        assert [check.value for check in checks] == [0.0] * len(checks)
        assert {(c.stage, c.metric) for c in checks} == {
            (stage, metric) for stage in BETWEEN for metric in BETWEEN[stage]
        }


def test_a_pipeline_that_stops_early_is_infinitely_wrong(judge: Judge) -> None:
    case = case_called(judge, "drums")
    truth, pipeline = judge.truth(case), judge.model.pipeline()
    expected = asked(pipeline, generate, case.request, case.seed, truth)
    shorter = replace(case.request, sampler=replace(case.request.sampler, steps=7))
    found = compare(expected, asked(pipeline, generate, shorter, case.seed, truth))
    assert [m.value for m in found["sampler"]] == [math.inf, math.inf, math.inf]


def test_a_pipeline_that_asks_more_often_is_infinitely_wrong(judge: Judge) -> None:
    case = case_called(judge, "drums")
    right = asked(judge.model.pipeline(), generate, case.request, case.seed, judge.truth(case))
    twice = replace(right, states=right.states * 2, levels=right.levels * 2, conditioning=right.conditioning * 2)
    assert [m.value for m in compare(right, twice)["sampler"]] == [math.inf, math.inf, math.inf]


def test_audio_to_audio_is_replayed_from_the_truths_audio(judge: Judge) -> None:
    case = case_called(judge, "drums")
    request = audio_to_audio(case.request, judge.truth(case))
    noted = asked(judge.model.pipeline(), generate, request, case.seed, judge.truth(case))
    assert noted.levels[0] == np.float32(request.sampler.highest)
    assert len(noted.states) == request.sampler.steps + 1


@pytest.mark.parametrize("place", [0, 3, 8])
def test_a_state_that_is_no_number_is_the_worst_one(judge: Judge, place: int) -> None:
    case = case_called(judge, "drums")
    expected = asked(judge.model.pipeline(), generate, case.request, case.seed, judge.truth(case))
    states = [state.copy() for state in expected.states]
    states[place].flat[0] = np.nan
    level, state, _ = compare(expected, replace(expected, states=states))["sampler"]
    assert level.value == 0
    assert math.isnan(state.value)
    assert state.step == place


def test_inputs_of_another_length_are_unequal_as_a_whole(judge: Judge) -> None:
    case = case_called(judge, "drums")
    expected = asked(judge.model.pipeline(), generate, case.request, case.seed, judge.truth(case))
    (told,) = expected.inputs
    longer = replace(expected, inputs=[told | {"input_ids": np.zeros((1, 1000), np.int32)}])
    (found,) = compare(expected, longer)["conditioner"]
    assert found.value == 1000


@pytest.mark.parametrize("call", [0, 5])
def test_conditioning_that_is_not_handed_on_is_counted_where_it_is_wrong(judge: Judge, call: int) -> None:
    case = case_called(judge, "drums")
    expected = asked(judge.model.pipeline(), generate, case.request, case.seed, judge.truth(case))
    handed = [dict(one) for one in expected.conditioning]
    handed[call]["global_cond"] = handed[call]["global_cond"] + np.float32(1)
    *others, found = compare(expected, replace(expected, conditioning=handed))["sampler"]
    assert [one.value for one in others] == [0.0, 0.0]
    assert (found.value, found.step) == (handed[call]["global_cond"].size, call)


def test_a_level_shift_that_is_not_the_model_s_is_refused(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    folder = copied(bundles["fp32"], tmp_path)
    rewrite_manifest(folder, lambda manifest: manifest.update(level_shift={"mu": -0.8, "sine": False}))
    code, _ = gate("--bundle", folder, "--cases", "drums", "--variants", "litert_fp32", "--report", tmp_path / "report")
    assert code == 1
    checks = json.loads((tmp_path / "report" / "report.json").read_text())["checks"]
    assert [check["metric"] for check in checks if check["ladder"] == ARTIFACT and not check["ok"]] == ["foreign_sampler"]
    replayed = [check for check in checks if check["ladder"] == REPLAYED and check["variant"] == "litert_fp32"]
    assert {check["case"] for check in replayed} == {"drums", "drums, from audio"}
