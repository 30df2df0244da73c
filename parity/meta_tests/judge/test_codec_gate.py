"""The gate on a codec: sound bundles are published, two dozen ways to get one wrong are refused, and the right half is blamed."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from litert_pipeline.bundle import read_bundle
from parity.__main__ import app
from parity.bundles.audit import MOST_STEPS
from parity.explain.blame import module_errors
from parity.explain.inside.module_error import first_fault
from parity.explain.suspects import suspects
from parity.faults.codec import CODEC_FAULTS, converted, injected
from parity.faults.injection import of_bundle
from parity.judge.codec_plan import CodecPlan
from parity.judge.judge import Judge
from parity.measure.budget import YARDSTICK
from parity.measure.sweep import Sweep
from parity.measure.verdict import Verdict
from parity.subject import subject_of
from parity.test_parity import assert_ok
from parity.truth.store import Store
from reference.spec.errors import InputError
from reference.spec.stages import CODEC_STAGES, SAME_DECODER, SAME_ENCODER

FLOAT, INT8 = "litert_fp32", "litert_int8"
FEW = Sweep(draws=9)
BLOCKS = {SAME_ENCODER: "encoder.layers.0.transformers", SAME_DECODER: "decoder.layers.3.transformers"}
IN_EVERY_RUN = ("queries and keys in pairs", "the window's end for the sound's end", "zeros before the linear layer")


@pytest.fixture(scope="module")
def judge(codec_folder: Path) -> Iterator[Judge]:
    bundles = [read_bundle(codec_folder / "bundles" / name) for name in ("fp32", "int8")]
    with Judge.of(codec_folder / "model", bundles, store=Store()) as found:
        yield found


def checks(judge: Judge, *variants: str) -> list[Verdict]:
    return list(CodecPlan.of_codec(judge, list(variants), sweep=FEW).checks(lambda _: None))


def blamed(found: list[Verdict]) -> set[str]:
    return {check.stage for check in suspects(found)}


def test_sound_bundles_pass(judge: Judge) -> None:
    found = checks(judge, YARDSTICK, FLOAT, INT8)
    assert_ok(found)
    assert {check.stage for check in found} - {"bundle"} == set(CODEC_STAGES)


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=() if name in IN_EVERY_RUN else pytest.mark.faults) for name in CODEC_FAULTS
])  # fmt: skip
def test_a_wrong_answer_is_refused_and_the_right_half_blamed(judge: Judge, name: str) -> None:
    fault = CODEC_FAULTS[name]
    found = checks(injected(judge, fault, FLOAT), FLOAT)
    assert blamed(found) == {fault.stage}
    assert {check.stage for check in found if not check.ok} == {fault.stage}


@pytest.mark.faults
@pytest.mark.parametrize("name", CODEC_FAULTS)
def test_a_wrong_file_is_refused_and_the_right_half_blamed(judge: Judge, tmp_path: Path, name: str) -> None:
    fault = CODEC_FAULTS[name]
    for run_by in (FLOAT, INT8):
        with converted(judge, fault, run_by, tmp_path) as wrong:
            bundle = wrong.source(run_by).bundle
            assert bundle is not None, "what is converted is a file"
            found = blamed([*checks(wrong, run_by), *wrong.artifacts(bundle, run_by)])
            assert found == (set() if run_by == INT8 and fault.below_int8 else {fault.stage}), run_by


@pytest.mark.parametrize("run_by", [FLOAT, INT8])
@pytest.mark.parametrize("half", CODEC_STAGES)
def test_nothing_inside_a_sound_file_is_at_fault(judge: Judge, half: str, run_by: str) -> None:
    case = CodecPlan.of_codec(judge, [run_by]).cases_of(half)[0]
    errors = module_errors(judge, half, run_by, case)
    assert {error.path for error in errors} > {f"{BLOCKS[half]}.{block}" for block in (0, 1)}
    assert [error.path for error in errors if not error.ok] == []


@pytest.mark.faults
def test_the_block_at_fault_is_found(judge: Judge, tmp_path: Path) -> None:
    fault = CODEC_FAULTS["one block with a sine"]
    with converted(judge, fault, FLOAT, tmp_path) as wrong:
        case = CodecPlan.of_codec(judge, [FLOAT]).cases_of(fault.stage)[0]
        found = first_fault(module_errors(wrong, fault.stage, FLOAT, case))
    assert found is not None
    assert found.path == f"{BLOCKS[fault.stage]}.2.ff.ff.0"


def change_manifest(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "manifest.json"
    told = json.loads(path.read_text())
    change(told)
    path.write_text(json.dumps(told))


CLAIMS: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "a reach of nothing": (lambda told: told["codec"].update(decode_reach=0), "false_claims"),
    "another rate": (lambda told: told["codec"].update(sample_rate_hz=48000), "false_claims"),
    "another checkpoint": (lambda told: told["source"].update(weights_sha256="0" * 64), "foreign_model"),
    "another recipe": (lambda told: told.update(recipe="int8"), "other_arithmetic"),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_false_claim_is_refused(judge: Judge, codec_folder: Path, tmp_path: Path, name: str) -> None:
    change, metric = CLAIMS[name]
    shutil.copytree(codec_folder / "bundles" / "fp32", tmp_path / "fp32")
    change_manifest(tmp_path / "fp32", change)
    with of_bundle(judge, FLOAT, read_bundle(tmp_path / "fp32")) as other:
        bundle = other.source(FLOAT).bundle
        assert bundle is not None
        assert metric in {check.metric for check in other.artifacts(bundle, FLOAT) if not check.ok}


def test_a_case_that_is_none_is_told(judge: Judge) -> None:
    with pytest.raises(InputError, match="case drums is unknown; valid cases of a codec: music, silence"):
        CodecPlan.of_codec(judge, [YARDSTICK], ["drums"])


def test_what_only_a_generating_model_does_is_refused(judge: Judge) -> None:
    with pytest.raises(InputError, match="is of a codec, which generates nothing"):
        _ = judge.model


@pytest.mark.parametrize("half", CODEC_STAGES)
def test_a_bundle_is_looked_into_whether_or_not_it_fails(codec_folder: Path, half: str) -> None:
    places = ["--model", str(codec_folder / "model"), "--bundle", str(codec_folder / "bundles" / "fp32")]
    result = CliRunner().invoke(app, ["localize", *places, "--stage", half, "--no-cache"])
    assert (result.exit_code, f"{BLOCKS[half]}.1" in result.output) == (0, True), result.output
    assert "no module is at fault" in result.output


def test_what_a_bundle_s_files_are_made_of_is_told(codec_folder: Path) -> None:
    bundle, model = codec_folder / "bundles" / "int8", codec_folder / "model"
    result = CliRunner().invoke(app, ["contents", str(bundle), "--model", str(model), "--json"])
    told = json.loads(result.stdout)["stages"]
    assert [stage["stage"] for stage in told] == list(CODEC_STAGES)
    assert all(0 < stage["steps"] <= MOST_STEPS and not stage["missing"] for stage in told)


def test_a_bundle_of_another_kind_of_model_has_no_contents_here(codec_folder: Path) -> None:
    result = CliRunner().invoke(app, ["contents", str(codec_folder / "bundles" / "fp32")])
    assert (result.exit_code, "has stage same_encoder, same_decoder, " in result.stderr) == (2, True), result.stderr


@pytest.mark.parametrize(("case", "words"), [
    ("drums", "case drums is unknown; valid cases of a codec: music, silence"),
    ("a frame of music", "case a frame of music fills no window, and modules are compared over a whole one; take music"),
])  # fmt: skip
def test_a_case_that_cannot_be_looked_into_is_told(codec_folder: Path, case: str, words: str) -> None:
    places = ["--model", str(codec_folder / "model"), "--bundle", str(codec_folder / "bundles" / "fp32")]
    result = CliRunner().invoke(app, ["localize", *places, "--stage", SAME_DECODER, "--case", case, "--no-cache"])
    assert (result.exit_code, words in result.stderr) == (2, True), result.stderr


def test_what_fails_at_the_end_of_a_sound_alone_is_looked_for_over_a_whole_window(judge: Judge) -> None:
    fault = CODEC_FAULTS["the window's end for the sound's end"]
    wrong = injected(judge, fault, FLOAT)
    plan = CodecPlan.of_codec(wrong, [FLOAT], ["music", "a frame of music"], sweep=Sweep(draws=0))
    found = list(plan.checks(lambda _: None))
    assert any(case.endswith("a frame of music") for case in {check.case for check in found if not check.ok})
    layers = subject_of(wrong.stage_model).evidence(wrong, found, plan, False, lambda _: None).layers
    assert {stage for _, stage in layers} == {fault.stage}
