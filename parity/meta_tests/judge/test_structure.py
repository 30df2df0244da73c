"""A quantized file beside the reference that holds its weights: right graphs are alike, wrong ones stand out at any precision."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from litert_pipeline.bundle import Bundle
from litert_pipeline.run.litert import LiteRTStage
from parity.bundles.audit import audit
from parity.bundles.constants import Constant
from parity.bundles.files import Files
from parity.bundles.forms import forms
from parity.bundles.matching import Match
from parity.bundles.rebuilt import rebuilt
from parity.bundles.weights import Weights
from parity.faults.bench import Bench
from parity.faults.catalogue import CATALOGUE
from parity.faults.file_edits import edit_file, values
from parity.faults.injection import of_bundle, with_file
from parity.judge.judge import Judge
from parity.judge.recorded import Recorded
from parity.judge.same_graph import compared
from parity.judge.structure import Beside
from parity.measure.arithmetic import FLOAT, FP16_COMPUTE, PER_ROW, Arithmetic
from parity.measure.metrics import relative_l2
from parity.measure.teacher_forcing import stage_feed
from parity.mixes.table import MIXES
from parity.mixes.tools import apply
from parity.test_parity import case_called
from parity.truth.interpreted import uses_of
from reference.pipeline import StageModules
from reference.spec.stages import ALL_STAGES, signatures
from reference.spec.tensors import Array

QUANTIZED = {
    "litert_int8": "dit",
    "litert_int8_weight_only": "dit",
    "litert_int4_blockwise": "dit",
    "litert_int8_decoder": "decoder",
    "litert_fp16_weights": "decoder",
    "onnx_int8": "dit",
}
HEADROOM = 0.6  # of the room that a right file may take; measured up to 0.55
SEEN = ("drums", "pad")
GRAPHS = (
    "level_ignored", "level_in_thousands", "global_ignored", "rope_cos_sin_swapped", "rope_wrong_half", "rope_neighbours",
    "rope_before_norm", "rope_frozen_too_short", "timestep_sin_cos_swapped", "global_token_dropped", "cross_mask_applied",
    "glu_halves_swapped", "layer_skipped", "no_qk_norm", "guided_in_graph", "denoised_for_velocity", "layer_norm_epsilon",
)  # fmt: skip
QUANTIZED_DIT = ("litert_int4_blockwise", "litert_int8_weight_only", "litert_int8", "onnx_int8")
IN_EVERY_RUN = ("rope_before_norm", "level_ignored", "layer_norm_epsilon", "timestep_sin_cos_swapped")
FEW = list(zip(IN_EVERY_RUN, QUANTIZED_DIT, strict=True))  # the others are for `make faults-test`
EPSILON, KERAS = 1e-5, 1e-3  # of a layer norm: the model's, and what another framework takes
ROWS = "cross_attention_cond"
FAR = 1e3  # times: what quantization costs beside what it leaves alike
SAME_SUMS = 3e-6  # relative: another order of the same float32 sums; measured up to 7e-7
SAME_ROUNDINGS = 1e-6  # relative: the layers' feeds rounded as the kernels round them, wherever none lies on the edge


@pytest.mark.parametrize("small", QUANTIZED)
def test_a_right_file_leaves_room(judge: Judge, small: str) -> None:
    cases = [case_called(judge, name) for name in SEEN]
    found = judge.structure(QUANTIZED[small], small, cases)
    assert found
    assert all(check.value <= HEADROOM * check.limit for check in found), found


@pytest.mark.parametrize("part", ALL_STAGES)
def test_what_is_computed_in_fp16_has_a_right_graph(judge: Judge, part: str) -> None:
    found = judge.structure(part, "litert_fp16", [case_called(judge, name) for name in SEEN])
    assert [check.metric for check in found] == ["structure_share", "structure_gain"]
    assert found[0].why.endswith("; computed in float32")
    assert all(check.value <= HEADROOM * check.limit for check in found), found


def kerass_epsilon(stored: Array) -> Array:
    """Our norms hold the root."""
    return np.where(stored == np.float32(EPSILON**0.5), np.float32(KERAS**0.5), stored)


def test_a_graph_that_is_wrong_below_the_noise_of_fp16_is_seen(
    judge: Judge, bundles: Mapping[str, Bundle], tmp_path: Path
) -> None:
    bundle, case = bundles["fp32"], case_called(judge, "drums")
    changed = Path(shutil.copyfile(bundle.path("dit"), tmp_path / "dit.tflite"))
    edit_file(changed, values(kerass_epsilon))
    with of_bundle(judge, "litert_fp16", with_file(bundle, "dit", changed)) as wrong:
        assert all(check.ok for check in wrong.teacher_forced("dit", "litert_fp16", case))
        assert all(check.ok for check in wrong.artifacts(wrong.contenders["litert_fp16"].bundle, "fp32") if check.stage == "dit")
        assert "structure_share" in {check.metric for check in wrong.structure("dit", "litert_fp16", [case]) if not check.ok}


def test_answers_that_were_recorded_in_fp16_say_nothing_about_a_graph(judge: Judge, bundles: Mapping[str, Bundle]) -> None:
    """Nobody can ask for others."""
    source = Recorded(bundle=bundles["fp32"], arithmetics={"dit": Arithmetic(compute=FP16_COMPUTE)}, answers={"dit": {}})
    found = judge.instead("litert_fp16", source).graph("dit", "litert_fp16", [case_called(judge, "drums")])
    assert (found.checks, found.unseen) == ([], "it cannot be had in float32")


def test_a_projection_in_parts_that_are_fed_otherwise_is_not_compared(judge: Judge, bundles: Mapping[str, Bundle]) -> None:
    found = audit(bundles["int8"].path("dit"), forms(judge.model, "dit"))
    assert rebuilt(found, keep=True).emulated
    first = next(finding for finding in found.findings if finding.match.constant.fed == PER_ROW)
    other = replace(first.match, constant=replace(first.match.constant, fed=FLOAT))
    parts = replace(found, findings=(*found.findings, replace(first, match=other)))
    assert not rebuilt(parts, keep=True).emulated


@pytest.mark.parametrize("part", ALL_STAGES)
def test_a_float_file_has_limits_enough(judge: Judge, part: str) -> None:
    assert judge.structure(part, "litert_fp32", [case_called(judge, "drums")]) == []


@pytest.mark.parametrize(("name", "small"), [
    pytest.param(name, small, marks=() if (name, small) in FEW else pytest.mark.faults)
    for name in GRAPHS
    for small in QUANTIZED_DIT
])  # fmt: skip
def test_a_wrong_graph_is_seen_at_every_precision(bench: Bench, judge: Judge, name: str, small: str) -> None:
    cases = [case_called(judge, name) for name in SEEN]
    with CATALOGUE[name].inject(bench, bench.judge, small, 1.0) as wrong:
        found = wrong.structure("dit", small, cases)
    assert any(not check.ok for check in found), found


def test_a_rebuilt_reference_answers_like_a_file_of_small_weights(judge: Judge, bundles: Mapping[str, Bundle]) -> None:
    """All of the file's own error is in it."""
    truth, case = judge.truth(case_called(judge, "drums")), case_called(judge, "drums")
    stage = rebuilt(audit(bundles["int8_weight_only"].path("dit"), forms(judge.model, "dit")), keep=True)
    assert stage.emulated
    assert not stage.rounds
    answer = judge.answers("dit", "litert_int8_weight_only", case)[0]["velocity"]
    assert relative_l2(stage(stage_feed("dit", truth))["velocity"], answer) <= SAME_SUMS
    assert relative_l2(judge.model.stage("dit")(stage_feed("dit", truth))["velocity"], answer) > FAR * SAME_SUMS


def test_what_stands_in_the_place_of_a_constant_is_asked_for_once(judge: Judge, bundles: Mapping[str, Bundle]) -> None:
    """Of a large file, finding all takes as long as a whole call."""
    asked: list[str] = []

    def noted(match: Match) -> Constant:
        asked.append(match.constant.name)
        return match.constant

    stage = rebuilt(audit(bundles["int8"].path("dit"), forms(judge.model, "dit")), keep=False, constant=noted)
    for call in range(2):
        stage(stage_feed("dit", judge.truth(case_called(judge, "drums")), call))
    assert len(asked) == len(set(asked)) > 0


def test_of_a_large_model_one_file_s_stored_weights_are_kept(judge: Judge, bundles: Mapping[str, Bundle]) -> None:
    whole = judge.model.modules
    weights = Weights(model=replace(judge.model, modules=StageModules(whole, whole.__getitem__, held_bytes=1)), files=Files())
    first = weights.requantized(bundles["int8"], "dit")
    assert weights.requantized(bundles["int8"], "dit") is first
    weights.requantized(bundles["int4_blockwise"], "dit")
    assert weights.requantized(bundles["int8"], "dit") is not first


def test_feeds_are_rounded_as_the_kernels_round_them(judge: Judge, bundles: Mapping[str, Bundle]) -> None:
    """Value by value, but where one lies on the edge between two: then all that follows is rounded anew."""
    stage = rebuilt(audit(bundles["int4_blockwise"].path("dit"), forms(judge.model, "dit")), keep=True)
    apart = [
        relative_l2(stage(stage_feed("dit", judge.truth(case), call))["velocity"], answer["velocity"])
        for case in (case_called(judge, name) for name in ("drums", "pad"))
        for call, answer in enumerate(judge.answers("dit", "litert_int4_blockwise", case))
    ]
    assert min(apart) <= SAME_ROUNDINGS


def test_feeds_that_are_rotated_are_rounded_as_they_stand_then(
    judge: Judge, bundles: Mapping[str, Bundle], tmp_path: Path
) -> None:
    part, entry = MIXES["int8_rotated"].parts["conditioner"], bundles["fp32"].manifest.stages["conditioner"]
    apply(part.tool, bundles["fp32"].path("conditioner"), tmp_path / entry.file, part.options, list)
    stage = rebuilt(audit(tmp_path / entry.file, forms(judge.model, "conditioner")), keep=True)
    feed = stage_feed("conditioner", judge.truth(case_called(judge, "drums")))
    with LiteRTStage(tmp_path / entry.file, entry.signature) as run:
        answer = run(feed)[ROWS]
    unrotated = replace(stage, held={place: replace(held, rotated=0) for place, held in stage.held.items()})
    assert relative_l2(stage(feed)[ROWS], answer) <= SAME_ROUNDINGS
    assert relative_l2(unrotated(feed)[ROWS], answer) > FAR * SAME_ROUNDINGS


def test_what_no_answer_is_takes_all_the_room() -> None:
    exact = {"velocity": np.ones(4, np.float32)}
    beside = Beside(answers=exact, moved={"velocity": 0.1})
    assert compared(beside, exact, exact, exact).share == 0
    assert not compared(beside, {"velocity": np.full(4, np.nan, np.float32)}, exact, exact).share <= 1


@pytest.mark.parametrize("part", ALL_STAGES)
def test_every_stored_tensor_of_a_stage_is_met(judge: Judge, part: str) -> None:
    """In the same places whenever it is looked through, though no value of an input is known."""
    module, signature = judge.model.modules[part], signatures(judge.model.spec)[part]
    first, again = uses_of(module, signature).found, uses_of(module, signature).found
    assert [(use.place, use.origins) for use in first] == [(use.place, use.origins) for use in again]
    assert all(torch.equal(one.value, other.value) for one, other in zip(first, again, strict=True))
    assert {name for use in first for name in use.origins} == set(module.state_dict())
