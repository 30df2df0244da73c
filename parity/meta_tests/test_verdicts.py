"""Exit codes of a gate run with several bundles: every one that was asked for has to be judged, and none refused."""

import json
from collections.abc import Mapping
from dataclasses import replace
from errno import ENOSPC
from pathlib import Path

import pytest

from litert_pipeline.bundle import Bundle
from parity import runtimes
from parity.judge.left_out import LeftOut
from parity.meta_tests.report.sample import BUNDLE, CHECK, OWN, sample
from parity.meta_tests.test_gate import copied, damage_weights, gate, rewrite_manifest
from parity.report.bundle_verdict import NOT_JUDGED, PUBLISH, REFUSE
from parity.report.report import Report
from parity.runtimes import ONNX_RUNTIME, Row
from parity.runtimes.integer_kernels import IntegerKernels
from reference.spec.files import sha256_of

UNABLE = replace(BUNDLE, path="out/onnx_int8", name="onnx_int8", variants=["onnx_int8"])
LEFT_OUT = [LeftOut(variant="onnx_int8", why="this machine cannot run it right: its sums are wrong")]
PUBLISHED = sample(checks=[OWN, CHECK])
REFUSED = replace(PUBLISHED, checks=[OWN, replace(CHECK, value=2.0)])
# the report of a run, whether its bundles were given: exit code
RUNS = {
    "published": (PUBLISHED, True, 0),
    "refused": (REFUSED, True, 1),
    "one cannot be judged here": (replace(PUBLISHED, bundles=[BUNDLE, UNABLE], left_out=LEFT_OUT), True, 2),
    "one cannot be judged here, nobody asked for it": (
        replace(PUBLISHED, bundles=[BUNDLE, UNABLE], left_out=LEFT_OUT), False, 0,
    ),
    "one is refused, one cannot be judged here": (replace(REFUSED, bundles=[BUNDLE, UNABLE], left_out=LEFT_OUT), True, 1),
}  # fmt: skip


@pytest.mark.parametrize("run", RUNS)
def test_the_exit_code_of_a_run(run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    report, given, expected = RUNS[run]

    def outcome(*args: object) -> Report:
        return report

    monkeypatch.setattr("parity.gate.run_gate", outcome)
    code, output = gate(*(["--bundle", "out/int8", "--bundle", "out/onnx_int8"] if given else []))
    assert code == expected
    assert ("error: out/onnx_int8" in output) == (expected == 2)


def test_a_damaged_bundle_leaves_its_neighbour_its_verdict(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    bad, file = copied(bundles["int8"], tmp_path / "bad"), "decoder.tflite"
    damage_weights(bad / file)
    rewrite_manifest(bad, lambda m: m["stages"]["decoder"].update(sha256=sha256_of(bad / file)))
    good = bundles["int8"].folder
    code, output = gate("--bundle", good, "--bundle", bad, "--cases", "drums", "--report", tmp_path / "report")
    assert code == 1, output
    found = json.loads((tmp_path / "report" / "report.json").read_text())["bundles"]
    assert [(bundle["path"], bundle["verdict"]) for bundle in found] == [(str(good), PUBLISH), (str(bad), REFUSE)]
    assert f"PUBLISH {good}" in output
    assert f"REFUSE {bad}" in output
    assert NOT_JUDGED not in output


def test_a_bundle_that_nothing_runs_is_an_error(bundles: Mapping[str, Bundle]) -> None:
    code, output = gate("--bundle", bundles["fp32"].folder, "--variants", "torch_fp32", "--cases", "drums")
    assert code == 2
    assert output.strip().splitlines()[-1].startswith(f"error: {bundles['fp32'].folder}: none of the variants")


def test_a_verdict_is_shown_though_its_report_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(ENOSPC, "No space left on device", "report.html")

    monkeypatch.setattr("parity.gate.write_report", full)
    code, output = gate("--variants", "torch_fp32", "--cases", "pad", "--report", tmp_path / "report")
    assert code == 2
    assert output.index("PUBLISH: ") < output.index("cannot be written (report.html: No space left on device)")
    assert list(tmp_path.iterdir()) == []


def test_what_the_machine_cannot_run_right_is_left_out_of_the_run(
    bundles: Mapping[str, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its answers nor its files are judged, its neighbour is, and whoever asked for it gets no verdict."""
    wrong = replace(ONNX_RUNTIME, integer_kernels=lambda: IntegerKernels(runtime="ONNX Runtime", wrong=0.25))
    monkeypatch.setattr(runtimes, "RUNTIMES", (Row(runtime=wrong), *runtimes.RUNTIMES[1:]))
    arguments = ("--bundle", bundles["fp32"].folder, "--bundle", bundles["onnx_int8"].folder, "--cases", "drums")
    code, output = gate(*arguments, "--variants", "litert_fp32,onnx_int8", "--report", tmp_path / "report")
    assert code == 2, output
    assert "get 25 % of the test's sums wrong on this CPU" in output
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert [one["variant"] for one in report["left_out"]] == ["onnx_int8"]
    assert {check["variant"] for check in report["checks"]} == {"torch_fp32", "litert_fp32", "fp32"}
    assert [bundle["verdict"] for bundle in report["bundles"]] == [PUBLISH, NOT_JUDGED]
    assert {file["path"].partition("/")[0] for file in report["artifacts"]} == {"fp32"}
