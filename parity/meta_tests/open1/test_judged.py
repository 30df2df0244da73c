"""Stable Audio Open 1.0 is judged like any model: sampled as it usually is, guided, told two numbers."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from fixtures import TINY_MODEL_DIR
from litert_pipeline.build.convert import declared_sampler
from parity.judge.judge import Judge
from parity.judge.plan import Plan
from parity.measure import metrics
from parity.measure.cases import case_ids, load_cases
from parity.measure.limits import BETWEEN, FLOAT
from parity.measure.sweep import Sweep, covered
from parity.measure.teacher_forcing import measure, stage_feed
from parity.measure.verdict import DOMAIN, FREE_RUNNING, REPLAYED, TEACHER_FORCED
from parity.soak import drawn_case
from parity.test_parity import assert_ok, case_called
from reference.pipeline import read_outline
from reference.spec.sampling.releases import V0_0_19
from reference.spec.sampling.samplers import GUIDED, SamplerSpec
from reference.spec.stages import CONDITIONER, DIT, STAGE_TABLE
from reference.spec.trace import at_step

pytestmark = pytest.mark.xdist_group("open1")  # its truths are computed once
UPSTREAM = "torch_upstream"
CASES = ("drums", "empty")  # one led away from a negative prompt, one from nothing
SIGMA_MAX_LEVEL = 0.9987268
SAME_LEVEL = 1e-6  # float32 rounds both
SOAKED = 50


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


def test_a_soak_draws_what_only_such_a_model_is_asked(open1_judge: Judge) -> None:
    """Nothing to lead away from, a negative prompt, one with numbers of its own, beyond their range."""
    first, again = ([drawn_case(open1_judge.model, random.Random(run), "x") for run in range(SOAKED)] for _ in range(2))
    assert first == again
    requests, most = [case.request for case in first], open1_judge.model.spec.number("seconds_start").max_s
    negative = [request for request in requests if request.guidance.negative_prompt is not None]
    own = [request for request in negative if request.negative_numbers != request.numbers]
    assert 0 < len(own) < len(negative) < SOAKED
    assert most < max(request.seconds_start for request in requests)
    assert most < max(request.negative_numbers["seconds_start"] for request in own)


@pytest.mark.parametrize("from_audio", [False, True], ids=["from noise", "from audio"])
def test_what_is_between_the_stages_is_bit_equal(open1_judge: Judge, from_audio: bool) -> None:
    for name in CASES:
        checks = open1_judge.replayed(UPSTREAM, case_called(open1_judge, name), from_audio=from_audio)
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


def test_a_manifest_says_how_the_model_is_sampled(open1_judge: Judge) -> None:
    sampler = declared_sampler(open1_judge.model.spec)
    levels = sampler.pop("levels")
    assert sampler == {
        "spec": V0_0_19.name, "name": "dpmpp-3m-sde", "steps": 100, "sigma_max": 500.0, "sigma_min": 0.3, "cfg_scale": 7.0,
    }  # fmt: skip
    few = SamplerSpec(name="dpmpp-3m-sde", steps=GUIDED.few_steps).levels()
    assert len(levels) == 101
    assert all(min(abs(level - other) for other in levels) <= SAME_LEVEL for level in few)


def test_a_sweep_asks_for_both_numbers_over_their_ranges(open1_judge: Judge) -> None:
    (*_, found) = (open1_judge.drawn(stage, case_called(open1_judge, "drums"), Sweep()) for stage in (DIT, CONDITIONER))
    assert {name for one in found for feed in one.feeds for name in feed} >= {"seconds_start", "seconds_total"}
    assert covered(found).count("durations from 0 to 12 s") == 2


def test_the_reference_passes_every_check_a_bundle_gets(open1_judge: Judge) -> None:
    """From the stages by themselves, over the domain and repeated, to what is generated, in the order of the gate."""
    plan = Plan.of(open1_judge, [UPSTREAM], [case_called(open1_judge, "drums")], Sweep(draws=3))
    checks = list(plan.checks(lambda _: None))
    assert {check.ladder for check in checks} == {TEACHER_FORCED, DOMAIN, REPLAYED, FREE_RUNNING}
    assert_ok(checks)
