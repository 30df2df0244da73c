"""What a loader rounds: which tensors, of a copy, and a truth whose other stages are as they were."""

import numpy as np
import pytest
import torch

from parity.judge.judge import Judge
from parity.measure.arithmetic import ALL_AT_LOAD, AS_SAVED, ROUNDED_AT_LOAD, T5_AT_LOAD
from parity.measure.metrics import relative_l2
from parity.test_parity import case_called
from parity.truth.loading import LOADINGS, as_loaded, loadings
from parity.truth.precision import half
from reference.spec.stages import ALL_STAGES, CONDITIONER, DECODER, STAGE_TABLE

ROUNDING = 2.0**-11  # of float16, relative: half a step at either side
MOVED = {CONDITIONER: 10.0, DECODER: 100.0}  # times that, at most, that answers move by: what some layers make of it


def test_every_loading_has_a_name_that_policies_know() -> None:
    assert tuple(LOADINGS) == ROUNDED_AT_LOAD


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_only_what_can_be_rounded_is_tried(judge: Judge, stage: str) -> None:
    has_t5 = any(name.startswith("t5.") for name, _ in judge.model.modules[stage].named_parameters())
    assert loadings(judge.model.modules[stage]) == [*([T5_AT_LOAD] if has_t5 else []), ALL_AT_LOAD]


@pytest.mark.parametrize("loading", LOADINGS)
def test_what_is_rounded_is_what_the_loading_says(judge: Judge, loading: str) -> None:
    module = judge.model.modules[CONDITIONER]
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    loaded = as_loaded(judge.model, CONDITIONER, loading).modules[CONDITIONER].state_dict()
    for name, tensor in before.items():
        rounded = tensor.is_floating_point() and (loading == ALL_AT_LOAD or name.startswith("t5."))
        assert torch.equal(loaded[name], half(tensor) if rounded else tensor), name
        assert torch.equal(module.state_dict()[name], tensor), name
    assert as_loaded(judge.model, CONDITIONER, AS_SAVED) is judge.model


@pytest.mark.parametrize("stage", MOVED)
def test_the_truth_of_rounded_weights_has_other_answers_and_nothing_else(judge: Judge, stage: str) -> None:
    case = case_called(judge, "drums")
    plain, loaded = judge.truth(case), judge.truths.as_loaded(case, stage, ALL_AT_LOAD)
    row = STAGE_TABLE[stage]
    moved = {name for name in plain if not np.array_equal(plain[name], loaded[name])}
    assert moved == {port.name for port in row.outputs}
    assert all(relative_l2(plain[name], loaded[name]) <= MOVED[stage] * ROUNDING for name in moved)
    assert judge.truths.as_loaded(case, stage, AS_SAVED) is plain
