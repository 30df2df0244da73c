"""Latency per stage and end to end, on the machine at hand; the answer is judged in the same test.

pytest parity/ --benchmark-only --benchmark-json=latency.json
"""

from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from parity.backends import VARIANTS
from parity.cases import Case, case_ids, load_cases
from parity.environment import environment
from parity.judge import Judge
from parity.ladder import float32_inputs
from reference.spec.generation import dit_feed, generate
from reference.spec.noise import philox
from reference.spec.tensors import ALL_STAGES, Array

ROUNDS, WARMUP_ROUNDS = 20, 3


def first_case(judge: Judge) -> Case:
    return load_cases(judge.model.tokenizer, judge.model.spec.seconds, case_ids(free_running=True)[:1])[0]


def feed_of(judge: Judge, stage: str) -> dict[str, Array]:
    """The truth's own inputs; for the DiT those of the first step."""
    truth = float32_inputs(judge.truth(first_case(judge)))
    conditioning = {name: truth[name] for name in ("cross_attention_cond", "global_cond")}
    return dit_feed(truth["x_0"], float(truth["levels"][0]), conditioning) if stage == "dit" else truth


def extra_info(judge: Judge, variant: str) -> dict[str, Any]:
    recipe = VARIANTS[variant].recipe
    stages = {} if recipe is None else judge.bundles[recipe].manifest.stages
    return {
        **environment(judge.threads),
        "variant": variant,
        "artifact_sha256": {stage: entry.sha256 for stage, entry in stages.items()},
    }


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_stage_latency(benchmark: BenchmarkFixture, judge: Judge, stage: str, variant: str) -> None:
    run, feed = judge.stage(variant, stage), feed_of(judge, stage)
    benchmark.extra_info.update(extra_info(judge, variant), stage=stage)
    benchmark.group = stage
    benchmark.pedantic(run, args=(feed,), rounds=ROUNDS, warmup_rounds=WARMUP_ROUNDS)
    assert not [str(v) for v in judge.teacher_forced(stage, variant, first_case(judge)) if not v.ok]


def test_end_to_end_latency(benchmark: BenchmarkFixture, judge: Judge, variant: str) -> None:
    case, pipeline = first_case(judge), judge.pipeline(variant)
    benchmark.extra_info.update(extra_info(judge, variant), stage="end_to_end")
    benchmark.group = "end to end"
    benchmark.pedantic(
        lambda: generate(pipeline, case.request, philox(pipeline.latent_shape, case.seed)),
        rounds=ROUNDS // 4,
        warmup_rounds=1,
    )
    assert not [str(v) for v in judge.free_running(variant, case) if not v.ok]
