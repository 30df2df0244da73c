"""A share of wrong weights is stored in a quantized file: none of it is the clean file, and more of it is farther off."""

import pytest
import torch
from torch import nn

from parity.faults.bench import Bench
from parity.faults.catalogue import CATALOGUE
from parity.faults.edits import other_weights
from parity.faults.fault import Fault
from parity.faults.weight_shares import partly
from parity.judge.judge import Judge
from parity.measure.file_limits import STEPS_BEYOND

VARIANT = "litert_int8"
STORED = ("base_for_distilled", "one_layer_per_tensor")
AMOUNT = 0.1


def steps(bench: Bench, judge: Judge, fault: Fault, share: float) -> float:
    """How far beyond rounding the file's weights are."""
    with fault.into(VARIANT)(bench, judge, VARIANT, share) as wrong:
        bundle = wrong.source(VARIANT).bundle
        assert bundle is not None
        checks = wrong.artifacts(bundle, VARIANT)
    (found,) = [check.value for check in checks if (check.stage, check.metric) == (fault.stage, "steps_beyond_rounding")]
    return found


@pytest.mark.parametrize("name", [STORED[0], pytest.param(STORED[1], marks=pytest.mark.faults)])
def test_more_of_a_fault_is_farther_from_the_checkpoint(bench: Bench, judge: Judge, name: str) -> None:
    none, some, whole = (steps(bench, judge, CATALOGUE[name], share) for share in (0.0, 0.02, 1.0))
    assert none <= STEPS_BEYOND.limit < some < whole


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_every_weight_goes_its_share_of_the_way(share: float) -> None:
    right = nn.Linear(5, 3)
    wrong, part = (partly(other_weights(AMOUNT, seed=1), much)(_copy(right)) for much in (1.0, share))
    for own, away, between in zip(right.parameters(), wrong.parameters(), part.parameters(), strict=True):
        torch.testing.assert_close(between, own + share * (away - own))


def _copy(layer: nn.Linear) -> nn.Module:
    with torch.no_grad():
        twin = nn.Linear(layer.in_features, layer.out_features).requires_grad_(False)
        twin.load_state_dict(layer.state_dict())
    return twin
