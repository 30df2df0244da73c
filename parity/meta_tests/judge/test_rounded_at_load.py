"""Bundles of weights that upstream's loader rounded to float16: recognised in every stage, held to what these weights answer, as
exactly as any float file, and accepted or not by policy."""

import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures import TINY_MODEL_DIR
from fixtures.oracle.positional import FILES, NAMES
from litert_pipeline.build.quantize import QUANTIZERS
from litert_pipeline.build.recipes import RECIPES
from parity.bundles.audit import audit
from parity.bundles.contents import contents_of
from parity.bundles.foreign import read_foreign
from parity.bundles.forms import forms
from parity.faults.file_edits import Change, edit_file, values
from parity.faults.injection import Injected
from parity.faults.wiring import answering
from parity.gate import GateOptions, run_gate
from parity.judge.judge import Judge
from parity.judge.lineup import contenders_of
from parity.measure.arithmetic import ALL_AT_LOAD, AS_SAVED, FP16_COMPUTE, INT8, T5_AT_LOAD
from parity.measure.contents import Contents
from parity.measure.file_limits import STEPS_BEYOND
from parity.measure.policy_file import read_policy
from parity.report.card import card
from parity.report.report import Report
from parity.test_parity import case_called
from parity.truth.store import Store
from reference.spec.stages import ALL_STAGES, CONDITIONER, DECODER, DIT, ENCODER
from reference.spec.tensors import Array

TODAY = date(2026, 11, 26)
VARIANT = "litert_fp32"
FOUND = {stage: T5_AT_LOAD if stage == CONDITIONER else ALL_AT_LOAD for stage in ALL_STAGES}
LEAST_MOVED = 10  # times what the file errs by, that rounding its weights has moved the answer: else there is nothing to tell
ON_TOP = 1e-5  # relative: a fault twenty times smaller than what rounding at load moves, ten times float rounding


@pytest.fixture(scope="module")
def gated(rounded: Path) -> Report:
    options = GateOptions(
        model=TINY_MODEL_DIR, bundles=[rounded], report=None, variants=[VARIANT], cases=["drums"], threads=1, force=False,
        policy=read_policy("publish", TODAY),
    )  # fmt: skip
    return run_gate(options, Store.of_user(), lambda text: None, lambda report: None)


def test_it_is_published_and_named(gated: Report) -> None:
    (found,) = gated.verdicts()
    assert gated.publish, gated.failed
    assert {stage.stage: stage.loaded for stage in found.bundle.arithmetic} == FOUND
    assert f"{T5_AT_LOAD} ({CONDITIONER}), which is accepted (it is how upstream runs the model" in str(found)
    assert f"{ALL_AT_LOAD} ({DIT}, {DECODER}, {ENCODER}), which is accepted" in card(gated)


def test_its_distances_are_from_the_checkpoint(gated: Report) -> None:
    (found,) = gated.verdicts()
    told = {one.bar.distance.name: one for one in found.close}
    check = told["decoder_snr_db"].check
    assert check.distance is not None
    assert check.distance > LEAST_MOVED * check.value
    assert told["decoder_snr_db"].told == pytest.approx(-20 * np.log10(check.distance))


@pytest.mark.parametrize(("policy", "publishes"), [("preview", True), ("transparent", False)])
def test_a_policy_may_refuse_it(gated: Report, policy: str, publishes: bool) -> None:
    report = replace(gated, policy=read_policy(policy, TODAY))
    (found,) = report.verdicts()
    assert found.faithful
    assert all(one.ok for one in found.loaded) == publishes
    if not publishes:
        assert not report.publish
        assert f"{DIT} and {DECODER} and {ENCODER} converted from the checkpoint's own float32 weights" in found.why


def test_a_fault_on_top_is_seen_as_in_any_float_file(rounded: Path, judge: Judge) -> None:
    """Though rounding the weights has moved the answer much farther."""
    bundle, case = read_foreign(rounded, TINY_MODEL_DIR), case_called(judge, "drums")
    with Judge(truths=judge.truths, contenders=contenders_of([bundle])) as own:
        for stage, name in ((CONDITIONER, "cross_attention_cond"), (DECODER, "audio")):
            clean = own.teacher_forced(stage, VARIANT, case)
            assert not [str(check) for check in clean if not check.ok]
            wrong = {stage: answering(name, moved)(own.stage(VARIANT, stage))}
            faulty = own.instead(VARIANT, Injected(clean=own.source(VARIANT), wrong=wrong))
            assert not all(check.ok for check in faulty.teacher_forced(stage, VARIANT, case))


def test_its_graph_is_laid_beside_these_weights_where_it_is_computed_in_fp16(rounded: Path, judge: Judge) -> None:
    """The checkpoint's own answers are far from what the file answers in float32."""
    bundle, case = read_foreign(rounded, TINY_MODEL_DIR), case_called(judge, "drums")
    contenders = contenders_of([bundle])
    in_half = {VARIANT: replace(contenders[VARIANT], compute=FP16_COMPUTE)}
    with Judge(truths=judge.truths, contenders={**contenders, **in_half}) as own:
        found = own.structure(DECODER, VARIANT, [case])
    assert [check.metric for check in found if check.ok] == ["structure_share", "structure_gain"], found


def moved(answer: Array) -> Array:
    noise = np.random.Generator(np.random.Philox(0)).standard_normal(answer.shape, dtype=np.float32)
    return answer * (1 + np.float32(ON_TOP) * noise)


def read(path: Path, judge: Judge, stage: str) -> Contents:
    return contents_of(audit(path, forms(judge.model, stage)), stage)


def one_doubled(model: Any) -> None:
    """The largest matrix has one weight twice as large."""
    largest = max(
        (tensor for tensor in model.subgraphs[0].tensors if model.buffers[tensor.buffer].data is not None),
        key=lambda tensor: len(model.buffers[tensor.buffer].data),
    )
    data = np.frombuffer(np.asarray(model.buffers[largest.buffer].data, np.uint8).tobytes(), "<f4").copy()
    data[np.argmax(np.abs(data))] *= 2
    model.buffers[largest.buffer].data = np.frombuffer(data.tobytes(), np.uint8)


def bfloat16(stored: Array) -> Array:
    """The nearest values with 8 bits of precision."""
    bits = stored.astype("<f4").view(np.uint32)
    return ((bits + np.uint32(0x8000)) & np.uint32(0xFFFF0000)).view(np.float32)


def half_of_it(stored: Array) -> Array:
    """Float16 in large matrices alone."""
    return stored.astype(np.float16).astype(np.float32) if stored.size > LARGE else stored


LARGE = 10_000
# what was done to the file of the folder that is rounded or not, and as what it is taken
SABOTAGED: dict[str, tuple[bool, Change, str, str]] = {
    "one weight doubled": (True, one_doubled, CONDITIONER, T5_AT_LOAD),
    "the encoder's, too": (True, one_doubled, ENCODER, ALL_AT_LOAD),
    "T5 in bfloat16": (False, values(bfloat16), CONDITIONER, AS_SAVED),
    "bfloat16 of float16": (True, values(bfloat16), DECODER, AS_SAVED),
    "only large matrices rounded": (False, values(half_of_it), DECODER, AS_SAVED),
}


@pytest.mark.parametrize("name", SABOTAGED)
def test_what_is_wrong_besides_is_wrong(rounded: Path, positional: Path, tmp_path: Path, judge: Judge, name: str) -> None:
    on_top, change, stage, loaded = SABOTAGED[name]
    path = Path(shutil.copyfile((rounded if on_top else positional) / NAMES[stage], tmp_path / NAMES[stage]))
    edit_file(path, change)
    contents = read(path, judge, stage)
    assert contents.loaded == loaded
    assert contents.beyond_rounding > STEPS_BEYOND.limit
    assert len(contents.wrong) == 1 or loaded == AS_SAVED


@pytest.mark.parametrize("recipe", ["int8", "int8_weight_only"])
def test_a_dit_quantized_from_rounded_weights_is_recognised_and_sound(
    rounded: Path, judge: Judge, tmp_path: Path, recipe: str
) -> None:
    folder, case = Path(shutil.copytree(rounded, tmp_path / "small")), case_called(judge, "drums")
    (folder / FILES[DIT]).unlink()
    QUANTIZERS["litert"](rounded / FILES[DIT], folder / FILES[DIT], RECIPES[recipe].quantize[DIT], recipe)
    bundle = read_foreign(folder, TINY_MODEL_DIR)
    variant = f"litert_{bundle.manifest.recipe}"
    with Judge(truths=judge.truths, contenders=contenders_of([bundle])) as own:
        contents = own.weights.contents(bundle, DIT)
        assert (contents.loaded, contents.wrong, contents.missing, contents.unexplained) == (ALL_AT_LOAD, (), (), ())
        assert contents.portions[0].stored.storage == INT8
        checks = own.teacher_forced(DIT, variant, case) + own.structure(DIT, variant, [case])
    assert not [str(check) for check in checks if not check.ok]
