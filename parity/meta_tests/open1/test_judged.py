"""Stable Audio Open 1.0 is judged like any model: sampled as it usually is, guided, told two numbers."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from fixtures import TINY_MODEL_DIR
from litert_pipeline.bundle import Bundle
from parity.judge.judge import Judge
from parity.measure.cases import case_ids, load_cases
from parity.measure.limits import BETWEEN
from parity.measure.teacher_forcing import measure, stage_feed
from parity.measure.verdict import FREE_RUNNING, TEACHER_FORCED
from parity.meta_tests.test_gate import copied, gate, rewrite_manifest
from parity.test_parity import assert_ok, case_called
from reference.pipeline import read_outline
from reference.spec.sampling.releases import V0_0_19, V0_0_20
from reference.spec.sampling.samplers import GUIDED, SamplerSpec
from reference.spec.stages import CONDITIONER, DIT, GENERATION, STAGE_TABLE
from reference.spec.trace import at_step

pytestmark = pytest.mark.xdist_group("open1")  # converted and its truths computed once
FP32, INT8 = "onnx_fp32", "onnx_int8"
CASES = ("drums", "empty")  # one led away from a negative prompt, one from nothing
SIGMA_MAX_LEVEL = 0.9987268


def test_a_sound_bundle_is_published_and_the_report_says_how_it_was_sampled(
    open1: Path, open1_bundles: Mapping[str, Bundle], tmp_path: Path
) -> None:
    report = tmp_path / "report"
    bundles = [word for name in (FP32, INT8) for word in ("--bundle", open1_bundles[name].folder)]
    code, output = gate("--model", open1, *bundles, "--cases", "drums", "--policy", "preview", "--report", report)
    assert code == 0, output
    content = json.loads((report / "report.json").read_text())
    assert content["model"]["spec"] == V0_0_19.name
    assert content["model"]["sampled"] == "dpmpp-3m-sde, 4 steps, cfg 7"
    seen = {(check["stage"], check["variant"], check["ladder"]) for check in content["checks"]}
    for variant in (FP32, INT8):
        assert {(stage, variant, ladder) for stage in GENERATION for ladder in (TEACHER_FORCED, FREE_RUNNING)} <= seen
    first = next(entry for entry in content["dit_steps"] if entry["variant"] == FP32)
    assert first["level"] == pytest.approx(SIGMA_MAX_LEVEL)
    assert {entry["step"] for entry in content["dit_steps"]} == set(range(GUIDED.few_steps))


@pytest.mark.parametrize("case", case_ids())
def test_cases_are_sampled_as_the_model_s_makers_do(open1: Path, case: str) -> None:
    _, spec, tokenizer = read_outline(open1)
    (found,) = load_cases(tokenizer, spec, [case])
    request = found.request
    assert (request.sampler.name, request.guidance.scale) == ("dpmpp-3m-sde", GUIDED.cfg_scale)
    assert request.sampler.levels()[0] == np.float32(SIGMA_MAX_LEVEL)
    _, spec, tokenizer = read_outline(TINY_MODEL_DIR)
    (plain,) = load_cases(tokenizer, spec, [case])
    assert (plain.request.prompt, plain.request.seconds) == (request.prompt, request.seconds)
    assert (plain.request.sampler, plain.request.guidance.scale, plain.request.seconds_start) == (SamplerSpec(), 1.0, 0.0)


def test_cases_lead_away_from_prompts_with_numbers_of_their_own_and_from_nothing(open1: Path) -> None:
    _, spec, tokenizer = read_outline(open1)
    requests = [case.request for case in load_cases(tokenizer, spec)]
    assert {request.guidance.negative_prompt is None for request in requests} == {True, False}
    assert any(request.negative_numbers != request.numbers for request in requests)
    assert len({request.seconds_start for request in requests}) > 3
    assert max(request.seconds_start for request in requests) > spec.number("seconds_start").max_s


@pytest.mark.parametrize("variant", [FP32, INT8])
@pytest.mark.parametrize("from_audio", [False, True], ids=["from noise", "from audio"])
def test_what_is_between_the_stages_is_bit_equal(open1_judge: Judge, variant: str, from_audio: bool) -> None:
    for name in CASES:
        checks = open1_judge.replayed(variant, case_called(open1_judge, name), from_audio=from_audio)
        assert {(c.stage, c.metric) for c in checks} == {(stage, metric) for stage in BETWEEN for metric in BETWEEN[stage]}
        assert [check.value for check in checks] == [0.0] * len(checks)


def test_both_halves_of_a_guided_step_are_fed_and_measured(open1_judge: Judge) -> None:
    truth, row = open1_judge.truth(case_called(open1_judge, "drums")), STAGE_TABLE[DIT]
    answers = [row.truth(truth, call) for call in range(row.calls(truth))]
    assert len(answers) == 2 * GUIDED.few_steps
    for wrong in (2, 3):  # the halves of the second step
        found = [dict(answer) for answer in answers]
        found[wrong]["velocity"] = 1.01 * found[wrong]["velocity"]
        measured = measure(DIT, truth, found, open1_judge.truths.objective)
        assert {m.step for m in measured if m.metric == "denoised_error" and m.value} == {1}
    cross = [stage_feed(DIT, truth, call)["cross_attention_cond"] for call in (0, 1)]
    assert not np.array_equal(*cross)


@pytest.mark.parametrize("number", [0, 1])
def test_each_number_of_each_prompt_is_measured(open1_judge: Judge, number: int) -> None:
    """Its row, and its part of the global token."""
    truth, row = open1_judge.truth(case_called(open1_judge, "drums")), STAGE_TABLE[CONDITIONER]
    answers = [row.truth(truth, call) for call in range(row.calls(truth))]
    assert len(answers) == 2
    for call in range(2):
        for name in ("cross_attention_cond", "global_cond"):
            found = [{key: array.copy() for key, array in answer.items()} for answer in answers]
            wrong = found[call][name]
            rows = wrong[0, -2:] if name == "cross_attention_cond" else wrong.reshape(2, -1)
            rows[number] *= 1.01
            measured = measure(CONDITIONER, truth, found, open1_judge.truths.objective)
            assert {m.metric: m.value for m in measured if m.value} == {"relative_l2.seconds": pytest.approx(0.01)}


def test_two_calls_are_a_batch_of_two_but_for_rounding(open1_judge: Judge) -> None:
    """Upstream asks for both halves of guidance at once."""
    import torch

    from parity.measure import metrics
    from parity.measure.limits import FLOAT

    case = case_called(open1_judge, "drums")
    truth, module = open1_judge.truth(case), open1_judge.model.modules[DIT]
    feeds = [stage_feed(DIT, truth, call) for call in (0, 1)]
    with torch.inference_mode():
        both = module(**{name: torch.from_numpy(np.concatenate([feed[name] for feed in feeds])) for name in feeds[0]})["velocity"]
    for call, feed in enumerate(feeds):
        exact = STAGE_TABLE[DIT].truth(truth, call)["velocity"]
        alone = open1_judge.model.stage(DIT)(feed)["velocity"]
        error = metrics.relative_l2(exact, both[call : call + 1].numpy())
        assert error <= FLOAT.limits(metrics.relative_l2(exact, alone))[1]


def test_the_last_estimate_is_what_the_sampler_ends_on(open1_judge: Judge) -> None:
    truth = open1_judge.truth(case_called(open1_judge, "drums"))
    assert np.array_equal(truth["latents"], truth[at_step("denoised", GUIDED.few_steps - 1)])


def test_the_reference_is_a_yardstick_within_its_limits(open1_judge: Judge) -> None:
    case = case_called(open1_judge, "empty")
    for variant in ("torch_fp32", "torch_upstream"):
        for stage in GENERATION:
            assert_ok(open1_judge.teacher_forced(stage, variant, case))


def test_a_bundle_made_for_another_release_is_told(open1: Path, open1_bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    folder = copied(open1_bundles[FP32], tmp_path)
    rewrite_manifest(folder, lambda manifest: manifest["sampler"].update(spec=V0_0_20.name))
    code, output = gate("--model", open1, "--bundle", folder, "--cases", "empty", "--variants", FP32)
    assert code == 1
    told = " ".join(output.replace("│", " ").split())
    assert f"sampler.spec is {V0_0_20.name}, expected {V0_0_19.name}" in told


def test_a_manifest_says_how_the_model_is_sampled(open1_bundles: Mapping[str, Bundle]) -> None:
    sampler = dict(open1_bundles[FP32].manifest.sampler)
    levels = sampler.pop("levels")
    assert sampler == {
        "spec": V0_0_19.name, "name": "dpmpp-3m-sde", "steps": 100, "sigma_max": 500.0, "sigma_min": 0.3, "cfg_scale": 7.0,
    }  # fmt: skip
    assert len(levels) == 101
    (few,) = {SamplerSpec(name="dpmpp-3m-sde", steps=GUIDED.few_steps).levels()}
    assert all(min(abs(level - other) for other in levels) < 1e-6 for level in few)
