"""Sound mixes: whatever tool makes a stage small, the file is the model at the precision it has, and not refused. `make mixes`
judges the whole table, `make test` some of it."""

from collections.abc import Mapping
from pathlib import Path
from random import Random

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from litert_pipeline.bundle import Bundle
from parity.judge.judge import Judge
from parity.measure.arithmetic import SINGLE
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
IN_HALVES, ON_GRIDS = "it cannot be had in float32", "calibrated rounding is taken out of small ONNX files only"
UNSEEN = {
    "onnx_float16_kept_io": IN_HALVES, "onnx_float16": IN_HALVES, "onnx_float16_dit": IN_HALVES,
    "static_feed_forward": ON_GRIDS, "static_decoder": ON_GRIDS,
}  # fmt: skip
READ_WIDER = 1.001  # a gain far below the error of INT8


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
    assert set(without_structure(mix, found).values()) == ({UNSEEN[name]} if name in UNSEEN else set())


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_a_spoiled_mix_is_refused(judge: Judge, kitchen: Kitchen, name: str) -> None:
    """Unrun: two rows of one of its matrices have changed places."""
    mix = MIXES[name]
    (stage,) = mix.parts
    wrong = kitchen.bundle(mix, {stage: lambda path: exchange_rows(path, Random(0))})
    with judge.of_others([wrong]) as own:
        failed = [check.metric for check in own.artifacts(wrong, name) if not check.ok]
    assert failed == ["steps_beyond_rounding"]


def read_wider(path: Path) -> None:
    """Let one layer read its feed on a wider grid than it was written on."""
    model = onnx.load(path)
    scales = {entry.name: numpy_helper.to_array(entry) for entry in model.graph.initializer}
    written = {name for node in model.graph.node if node.op_type == "QuantizeLinear" for name in node.output}
    node = next(node for node in model.graph.node if node.op_type == "DequantizeLinear" and node.input[0] in written)
    model.graph.initializer.append(numpy_helper.from_array(np.array(READ_WIDER * scales[node.input[1]], np.float32), "wider"))
    node.input[1] = "wider"
    onnx.save(model, path)


def test_a_gain_between_two_roundings_is_seen(judge: Judge, kitchen: Kitchen) -> None:
    mix, case = MIXES["onnx_static"], case_called(judge, "drums")
    (stage,) = mix.parts
    with judge.of_others([kitchen.bundle(mix, {stage: read_wider})]) as own:
        (name,) = [name for name, found in own.contenders.items() if found.bundle is not None]
        assert all(check.ok for check in own.teacher_forced(stage, name, case))
        assert [(check.metric, check.ok) for check in own.structure(stage, name, [case])] == [(STRUCTURE, False)]


def unrecognised(mix: Mix, found: JudgedMix) -> list[str]:
    """Stages that a tool made smaller and that are taken for float32."""
    return [stage for stage in mix.parts if found.arithmetic[stage] == str(SINGLE)]


def without_structure(mix: Mix, found: JudgedMix) -> dict[str, str]:
    """Of the stages that a tool made smaller, or that are asked to compute in FP16, those whose graph nothing was said about; and
    why, in the words of the report."""
    judged_stages = {check.stage for check in found.checks if check.metric == STRUCTURE}
    return {stage: found.unseen.get(stage, "") for stage in {**mix.parts, **mix.compute} if stage not in judged_stages}
