"""An empty path, as scripts pass of a variable that is not set, is not the folder one is in: of parsers that are not ours."""

import argparse
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from parity.commands.pytest_options import pytest_addoption
from parity.device.record.main import main
from reference.command_line import command_line
from reference.spec.errors import EXIT_NOT_JUDGED
from reference.spec.paths import EMPTY_PATH


def of_pytest(arguments: list[str]) -> None:
    """Options of pytest, by the parser that pytest's is made of."""
    parser = argparse.ArgumentParser()
    group: Any = SimpleNamespace(getgroup=lambda name: SimpleNamespace(addoption=parser.add_argument))
    pytest_addoption(group)
    parser.parse_args(arguments)


PARSERS: dict[str, tuple[Callable[[list[str]], None], tuple[str, ...]]] = {
    "pytest": (of_pytest, ("--model", "--bundle", "--kit", "--models")),
    "record.pyz": (main, ("--out", "--kit", "--models")),
}


@pytest.mark.parametrize(("parser", "option"), [(name, option) for name, (_, options) in PARSERS.items() for option in options])
def test_it_is_told(
    parser: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        PARSERS[parser][0]([option, ""])
    assert left.value.code == EXIT_NOT_JUDGED
    assert f"argument {option}: {EMPTY_PATH}" in capsys.readouterr().err


def worded(word: str = "a word") -> None:
    """A command that takes no path."""


def test_an_empty_word_is_no_path() -> None:
    toy = command_line(about="A toy.", at_fault="the toy", commands={"worded": worded})
    assert CliRunner().invoke(toy, ["worded", "--word", ""]).exit_code == 0
