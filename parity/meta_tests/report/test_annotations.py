"""Files at fault are shown where GitHub shows changes; no name or sentence can end a workflow command or begin another."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from parity.__main__ import app
from parity.judge.left_out import LeftOut
from parity.meta_tests.report.sample import BUNDLE, CHECK, OWN, sample
from parity.report.as_json import to_json

FAILED = replace(CHECK, value=2.0)
HOSTILE = "50 %\n::warning::a, b: c"


def told(folder: Path, **changes: Any) -> list[str]:
    (folder / "report.json").write_text(json.dumps(to_json(sample(**changes))))
    result = CliRunner().invoke(app, ["annotations", str(folder)])
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def test_what_may_be_published_has_none(tmp_path: Path) -> None:
    assert told(tmp_path) == []


def test_a_stage_at_fault_is_told_at_its_file(tmp_path: Path) -> None:
    (line,) = told(tmp_path, checks=[FAILED])
    assert line.startswith("::error file=out/int8/dit.tflite,title=REFUSE int8::dit/litert_int8/drums step 3")


@pytest.mark.parametrize("changes", [
    {"checks": [replace(OWN, value=1.0)]},
    {"left_out": [LeftOut(variant="litert_int8", why="this machine cannot run it right")]},
], ids=["a claim", "not judged"])  # fmt: skip
def test_what_is_no_file_s_is_told_at_the_bundle(tmp_path: Path, changes: dict[str, Any]) -> None:
    (line,) = told(tmp_path, **changes)
    assert line.startswith("::error file=out/int8,title=")


def test_no_text_ends_a_command(tmp_path: Path) -> None:
    (line,) = told(tmp_path, checks=[replace(FAILED, why=HOSTILE)], bundles=[replace(BUNDLE, path="out/a,b: 1%")])
    assert line.startswith("::error file=out/a%2Cb%3A 1%25/dit.tflite,title=")
    assert line.endswith("(50 %25%0A::warning::a, b: c)")


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\x1b[2J", "\u2028", "\x00"], ids=repr)
def test_a_hostile_name_is_one_line_without_what_steers_a_terminal(tmp_path: Path, end: str) -> None:
    name = f"a{end}::warning::b"
    bundle = replace(BUNDLE, path=name, name=name, variants=[name])
    (line,) = told(tmp_path, checks=[replace(FAILED, variant=name, why=name)], bundles=[bundle])
    assert line.startswith("::error file=a")
    assert end not in line


@pytest.mark.parametrize(("path", "file"), [(".", "dit.tflite"), ("..", "../dit.tflite"), ("./b/", "b/dit.tflite")])
def test_a_file_is_told_from_where_one_stands(tmp_path: Path, path: str, file: str) -> None:
    (line,) = told(tmp_path, checks=[FAILED], bundles=[replace(BUNDLE, path=path)])
    assert line.startswith(f"::error file={file},title=")


@pytest.mark.parametrize(("content", "words"), [
    ("{}", "key 'bundles' is missing"),
    ('{"bundles": [{"verdict": "refuse"}], "blame": []}', "is a report of another version ('arithmetic'); judge again"),
], ids=["no report", "another version"])  # fmt: skip
def test_what_is_no_report_is_told(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "report.json").write_text(content)
    result = CliRunner().invoke(app, ["annotations", str(tmp_path)])
    assert (result.exit_code, words in result.stderr) == (2, True), result.output
