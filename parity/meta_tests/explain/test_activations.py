"""T5's activations are watched: the right block is named before FP16 overflows, and nothing is said of a model far from it."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from parity.explain.activation import FP16_MAX, WARN_SHARE, Activation
from parity.explain.activations import t5_activations
from parity.judge.judge import Judge
from parity.measure.cases import load_cases
from reference.pipeline import Model

PROMPTS = [("drums", "tight drum loop"), ("empty", "")]
ABOUT = 0.2  # the gain is extrapolated
WEIGHT = "t5.encoder.block.1.layer.1.DenseReluDense.wo.weight"  # T5's feed-forward is where FP16 is known to overflow


def scaled(model: Model, gain: float) -> Model:
    """The model with one feed-forward's output `gain` times as large."""
    conditioner = copy.deepcopy(model.modules["conditioner"])
    conditioner.get_parameter(WEIGHT).mul_(gain)
    return replace(model, modules={**model.modules, "conditioner": conditioner})


def by_block(model: Model) -> dict[str, Activation]:
    return {found.block: found for found in t5_activations(model, PROMPTS)}


def test_every_block_is_watched_and_the_tiny_model_is_safe(judge: Judge) -> None:
    found = by_block(judge.model)
    assert {f"t5.encoder.block.{index}" for index in range(judge.model.spec.t5.num_layers)} <= found.keys()
    assert all(activation.safe and activation.largest > 0 for activation in found.values())


@pytest.mark.parametrize(("share", "sentence"), [(0.5, "is near the largest FP16 number"), (4.0, "overflows FP16")])
def test_a_feed_forward_on_its_way_to_overflow_is_named(judge: Judge, share: float, sentence: str) -> None:
    block = WEIGHT.split(".layer")[0]
    quiet, loud = (by_block(scaled(judge.model, gain))[block].largest for gain in (1e3, 2e3))
    gain = 2e3 * np.sqrt(share * FP16_MAX / loud) if loud > 3 * quiet else 2e3 * share * FP16_MAX / loud
    found = by_block(scaled(judge.model, float(gain)))
    assert not found[block].safe
    assert sentence in str(found[block])
    assert found["t5.encoder.block.0"].safe
    assert found[block].share == pytest.approx(share, rel=ABOUT)


def test_nan_in_one_prompt_is_not_forgotten_over_the_next(judge: Judge) -> None:
    (ids, mask), conditioner = judge.model.tokenizer(PROMPTS[0][1]), copy.deepcopy(judge.model.modules["conditioner"])
    conditioner.get_parameter("t5.shared.weight")[int(ids[0, 0])] = float("nan")
    assert mask[0, 0] == 1
    model = replace(judge.model, modules={**judge.model.modules, "conditioner": conditioner})
    assert not any(activation.safe for activation in by_block(model).values())


def test_nan_is_no_safety() -> None:
    assert not Activation(block="b", module="m", case="c", largest=float("nan")).safe
    assert Activation(block="b", module="m", case="c", largest=WARN_SHARE * FP16_MAX).safe


def test_the_watch_sees_what_half_precision_does(judge: Judge) -> None:
    """Where the watch says overflow, T5 computed in float16 is not finite; where it says room, it is."""
    for gain, finite in ((1.0, True), (1e7, False)):
        model = scaled(judge.model, gain)
        safe = all(found.share <= 1 for found in t5_activations(model, PROMPTS))
        t5 = copy.deepcopy(model.modules["conditioner"].get_submodule("t5")).half()
        ids, mask = (torch.from_numpy(array) for array in judge.model.tokenizer(PROMPTS[0][1]))
        assert safe == finite
        assert bool(torch.isfinite(t5(ids, mask)).all()) == finite


def test_cases_reach_the_edges_of_the_prompt(judge: Judge) -> None:
    cases = load_cases(judge.model.tokenizer, judge.model.spec)
    most = judge.model.tokenizer.max_length
    lengths = {judge.model.tokenizer.count(case.request.prompt) for case in cases}
    assert {1, most - 1, most, most + 1, 2 * most} <= lengths  # 1: nothing but EOS
