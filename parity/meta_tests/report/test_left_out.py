"""What was not judged, or not compared, is in the report and in what the terminal shows, and decides nothing."""

import html
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from parity.judge.graph import UnseenGraph
from parity.judge.left_out import LeftOut
from parity.meta_tests.report.sample import sample
from parity.report.folder import write_report
from parity.report.report import Report
from parity.report.terminal import show

LEFT_OUT = LeftOut(variant="onnx_int8", why="this machine cannot run it right: its sums are wrong")


UNSEEN = UnseenGraph(variant="litert_mine", stage="dit", why="it cannot be had in float32")


@pytest.fixture
def report() -> Report:
    return sample(left_out=[LEFT_OUT], unseen=[UNSEEN])


def test_it_does_not_refuse(report: Report) -> None:
    assert report.publish


def test_the_terminal_names_it_in_the_table_and_says_why(report: Report) -> None:
    console = Console(file=io.StringIO(), width=200)
    show(report, console)
    shown = console.file.getvalue()
    assert any("onnx_int8" in line and line.rstrip(" │┃|").endswith("not judged") for line in shown.splitlines())
    assert f"not judged {LEFT_OUT.variant}: {LEFT_OUT.why}" in shown
    assert f"not compared {UNSEEN}" in shown


def test_the_files_name_it(report: Report, tmp_path: Path) -> None:
    write_report(report, tmp_path)
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["left_out"] == [{"variant": LEFT_OUT.variant, "why": LEFT_OUT.why}]
    assert content["unseen_graphs"] == [{"variant": UNSEEN.variant, "stage": UNSEEN.stage, "why": UNSEEN.why}]
    for name in ("report.html", "parity-card.md"):
        text = html.unescape((tmp_path / name).read_text())
        assert str(LEFT_OUT) in text
        assert str(UNSEEN) in text
