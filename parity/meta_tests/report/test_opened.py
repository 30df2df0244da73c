"""A report of another version, or that somebody changed, is told by each command that reads one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from parity.__main__ import app
from parity.meta_tests.report.sample import sample
from parity.report.as_json import to_json

CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "another schema": (lambda report: report.update(schema=2), "is of schema 2, this version reads 1; judge again"),
    "no schema at all": (lambda report: report.update(schema="1"), "'schema' must be int, found str"),
    "an unknown ladder": (lambda report: report["checks"][0].update(ladder="bogus"), "its checks are not a gate's"),
    "a check that is none": (lambda report: report.update(checks=[3]), "its checks are not a gate's"),
}
OF_ALL = ("another schema", "no schema at all")
READERS = [("headroom", name) for name in CHANGES] + [("annotations", name) for name in OF_ALL]


@pytest.mark.parametrize(("verb", "name"), READERS)
def test_it_is_told(verb: str, name: str, tmp_path: Path) -> None:
    change, words = CHANGES[name]
    report = to_json(sample())
    change(report)
    (tmp_path / "report.json").write_text(json.dumps(report))
    result = CliRunner().invoke(app, [verb, str(tmp_path)])
    assert (result.exit_code, f"{tmp_path / 'report.json'}: {words}" in result.stderr) == (2, True), result.output


@pytest.mark.parametrize("verb", ["annotations", "headroom"])
def test_the_file_itself_is_read_as_its_folder_is(verb: str, tmp_path: Path) -> None:
    for name in ("report.json", "moved.json"):
        (tmp_path / name).write_text(json.dumps(to_json(sample())))
    folder, file = (CliRunner().invoke(app, [verb, str(path)]) for path in (tmp_path, tmp_path / "moved.json"))
    assert (file.exit_code, file.stdout) == (folder.exit_code, folder.stdout) == (0, folder.stdout), file.output
