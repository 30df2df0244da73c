"""The card for a model page says what was judged; a bundle without its licence papers is refused where they are required."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from litert_pipeline.bundle import Bundle, read_bundle
from parity.judge.left_out import LeftOut
from parity.judge.licence import REASONS, REQUIRED, licence_checks
from parity.measure.arithmetic import ALL_AT_LOAD
from parity.measure.policy_file import PUBLISH, read_policy
from parity.meta_tests.report.sample import (
    ARITHMETIC,
    ARTIFACT_ENTRY,
    ASSIGNMENT,
    BUNDLE,
    CHECK,
    DEVICE,
    LATENCY,
    sample,
)
from parity.meta_tests.test_gate import gate
from parity.report.card import card

PAPERS = {
    "LICENSE.md": "STABILITY AI COMMUNITY LICENSE AGREEMENT",
    "NOTICE": "This Stability\nAI model is licensed under ...",
    "README.md": "# My model\n\nPowered  by\nStability AI\n",
}
WORST = "| litert_int8 | dit | teacher-forced | denoised_error, step 3 | drums | 5.00e-01 | 1.00e+00 | ok |"
FILE = "| `int8/dit.tflite` | 3 | `ab` |"


def written(**changes: Any) -> str:
    return card(sample(**changes))


def test_the_card_has_verdict_metrics_hashes_versions_and_licence() -> None:
    text = written()
    assert "\n# Parity: PUBLISH\n" in text
    for words in (WORST, FILE, "torch 2.13.0", "cpu_model a CPU", "weights_sha256 00ff", REQUIRED):
        assert words in text


def test_a_refusal_comes_first_and_says_which_side() -> None:
    low = replace(CHECK, value=0.01)
    text = written(checks=[low])
    assert "\n# Parity: REFUSE\n" in text
    assert "1 failed" in text
    assert "| at least 1.00e-01 | **FAIL** |" in text


def test_a_variant_that_was_not_judged_is_named() -> None:
    text = written(left_out=[LeftOut(variant="onnx_int8", why="this machine cannot run it right: 5 | 6")])
    assert "\n\nonnx_int8 is not judged: this machine cannot run it right: 5 \\| 6.\n\n" in text


def test_no_name_can_break_the_table() -> None:
    text = written(artifacts=[replace(ARTIFACT_ENTRY, path="a|b\n.tflite")])
    assert "| `a\\|b .tflite` | 3 | `ab` |" in text


@pytest.mark.parametrize("end", ["\n", "\r", "\x1b[2J", "\u2028", "\x00"], ids=repr)
def test_no_name_begins_a_line_of_the_card(end: str) -> None:
    """It is printed, and in the summary of a workflow."""
    name = f"a{end}::error::b"
    loaded = [replace(ARITHMETIC, loaded=ALL_AT_LOAD)]
    bundle = replace(BUNDLE, path=f"out/{name}", name=name, variants=[name], arithmetic=loaded)
    policy = replace(read_policy(PUBLISH, date.today()), name=name, about=name)
    text = written(
        bundles=[bundle], checks=[replace(CHECK, variant=name, case=name, metric=name, value=2.0)], policy=policy,
        left_out=[LeftOut(variant="other", why=name)], devices=[replace(DEVICE, name=name, told={"cpu": name}, notes=[name])],
        assignments=[replace(ASSIGNMENT, file=name)], artifacts=[replace(ARTIFACT_ENTRY, path=name)], covered={"a stage": name},
    )  # fmt: skip
    assert "::error::b" in text
    assert [line for line in text.split("\n") if line.startswith("::") or end in line] == []


def with_papers(bundle: Bundle, folder: Path, papers: Mapping[str, str]) -> Bundle:
    shutil.copytree(bundle.folder, folder)
    for name, text in papers.items():
        (folder / name).write_text(text)
    return read_bundle(folder)


def test_papers_are_found_whatever_their_ending_and_line_breaks(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    checks = licence_checks(with_papers(bundles["fp32"], tmp_path / "b", PAPERS), "fp32")
    assert [check.metric for check in checks] == list(REASONS)
    assert all(check.ok for check in checks)


@pytest.mark.parametrize(("missing", "metric"), list(zip(PAPERS, REASONS, strict=True)))
@pytest.mark.parametrize("how", ["absent", "of another model"])
def test_each_paper_is_missed(
    bundles: Mapping[str, Bundle], tmp_path: Path, missing: str, metric: str, how: str
) -> None:
    papers = {name: text for name, text in PAPERS.items() if name != missing or how != "absent"}
    if how != "absent":
        papers[missing] = "MIT License"
    checks = licence_checks(with_papers(bundles["fp32"], tmp_path / "b", papers), "fp32")
    assert [check.metric for check in checks if not check.ok] == [metric]


def test_the_gate_asks_for_papers_only_where_it_is_told_to(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    arguments = ("--bundle", bundles["fp32"].folder, "--variants", "litert_fp32", "--cases", "drums")
    assert gate(*arguments, "--report", tmp_path / "report")[0] == 0
    assert "\n# Parity: PUBLISH\n" in (tmp_path / "report" / "parity-card.md").read_text()
    code, output = gate(*arguments, "--require-license", "--report", tmp_path / "refused")
    assert code == 1, output
    assert "blame bundle" in output
    failed = [c["metric"] for c in json.loads((tmp_path / "refused" / "report.json").read_text())["checks"] if not c["ok"]]
    assert failed == list(REASONS)


def test_where_answers_were_recorded_is_told() -> None:
    text = card(sample())
    assert "## Recorded on\n\n`phone`: cpu Cortex-X4, features i8mm sme2.\n\n- its answers equal those of laptop\n" in text
    assert "## Recorded on" not in card(sample(devices=[]))


def test_latencies_are_told_where_they_were_measured() -> None:
    row = "| a CPU | 2 | dit | litert_int8 | 12.3 ms | 3.50 | 1024 MiB |"
    assert row in written(latency=[LATENCY])
    assert row not in written()
