"""Sound mixes: whatever tool makes a stage small, the file is the model at the precision it has, and not refused. `make mixes`
judges the whole table, `make test` some of it."""

from collections.abc import Mapping
from random import Random

import pytest

from litert_pipeline.bundle import Bundle
from parity.judge.judge import Judge
from parity.measure.arithmetic import FP16_COMPUTE, SINGLE
from parity.measure.policy import Policy
from parity.measure.sweep import Sweep
from parity.mixes.calibration import calibrated_with
from parity.mixes.judged import JudgedMix, judged
from parity.mixes.make import Kitchen
from parity.mixes.spoil import exchange_rows
from parity.mixes.table import MIXES, Mix
from parity.test_parity import case_called

# Several arithmetics in one stage; and a file that nothing of ours made, its layers fed as they were calibrated.
REPRESENTATIVES = ("int8_attention_int4_feed_forward", "onnx_static")
DRAWS = 4
STRUCTURE = "structure_share"


@pytest.fixture(scope="module")
def kitchen(judge: Judge, bundles: Mapping[str, Bundle], tmp_path_factory: pytest.TempPathFactory) -> Kitchen:
    return Kitchen(
        model=judge.model.files.config.parent,
        sources=bundles,
        folder=tmp_path_factory.mktemp("mixes"),
        fed=calibrated_with(judge.truths, case_called(judge, "drums")),
    )


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in REPRESENTATIVES else pytest.mark.mixes) for name in MIXES]
)
def test_a_sound_mix_is_faithful(judge: Judge, kitchen: Kitchen, policy: Policy, name: str) -> None:
    mix = MIXES[name]
    found = judged(judge, kitchen.bundle(mix), [case_called(judge, "drums")], Sweep(draws=DRAWS), policy)
    assert found.failed == []
    assert found.verdict.faithful
    assert found.verdict.close
    assert unrecognised(mix, found) == []
    assert without_structure(mix, found) == []


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_a_spoiled_mix_is_refused(judge: Judge, kitchen: Kitchen, name: str) -> None:
    """Unrun: two rows of one of its matrices have changed places."""
    mix = MIXES[name]
    (stage,) = mix.parts
    wrong = kitchen.bundle(mix, {stage: lambda path: exchange_rows(path, Random(0))})
    with judge.of_others([wrong]) as own:
        failed = [check.metric for check in own.artifacts(wrong, name) if not check.ok]
    assert failed == ["steps_beyond_rounding"]


def unrecognised(mix: Mix, found: JudgedMix) -> list[str]:
    """Stages that a tool made smaller and that are taken for float32."""
    return [stage for stage in mix.parts if found.arithmetic[stage] == str(SINGLE)]


def without_structure(mix: Mix, found: JudgedMix) -> list[str]:
    """Stages that a tool made smaller, or that are asked to compute in FP16, whose graph nothing was said about; of a file that
    computes in FP16 whatever it is asked for nothing can be."""
    judged_stages = {check.stage for check in found.checks if check.metric == STRUCTURE}
    asked = {stage for stage in mix.parts if FP16_COMPUTE not in found.arithmetic[stage]} | mix.compute.keys()
    return sorted(asked - judged_stages)
