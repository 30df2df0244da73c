"""Whatever happens inside a command, its exit code means what it says."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
import typer
from typer.testing import CliRunner, Result

from reference.command_line import command_line
from reference.spec.errors import EXIT_NOT_JUDGED, TRACEBACK, InputError

FAULT = "error: this is a fault of the gate, not of what it was given ("
# exception: exit code, how the one line on stderr begins
ENDINGS = {
    InputError("no such folder"): (2, "error: no such folder\n"),
    FileNotFoundError(2, "No such file", "a.wav"): (2, "error: a.wav: No such file; choose another path or free it\n"),
    OSError("the network is down"): (2, FAULT + "OSError: the network is down)"),
    KeyError("encoder"): (2, FAULT + "KeyError: 'encoder')"),
    AssertionError("two\nlines"): (2, FAULT + "AssertionError: two lines)"),
    RuntimeError(): (2, FAULT + "RuntimeError:)"),
    MemoryError(): (2, "error: more memory is needed than there is (MemoryError); ask for something smaller, or free some"),
    RuntimeError("DefaultCPUAllocator: no"): (2, "error: more memory is needed than there is (Def"),
    InputError("a\nb\x1b[31m\u202ec: no such"): (2, "error: a\\nb\\x1b[31m\\u202ec: no such\n"),
    SystemExit(1): (2, FAULT + "SystemExit: 1)"),
    SystemExit(0): (2, FAULT + "SystemExit: 0)"),
    KeyboardInterrupt(): (130, "interrupted\n"),
    typer.Exit(0): (0, ""),
    typer.Exit(1): (1, ""),
}


def run(command: Callable[[], None]) -> Result:
    app = command_line(about="A toy.", at_fault="the gate", commands={"toy": command})
    return CliRunner().invoke(app, ["toy"])


def raising(error: BaseException) -> Callable[[], NoReturn]:
    def command() -> NoReturn:
        raise error

    return command


@pytest.mark.parametrize("error", ENDINGS, ids=repr)
def test_every_ending_has_its_exit_code_and_one_line(error: BaseException) -> None:
    code, words = ENDINGS[error]
    result = run(raising(error))
    assert result.exit_code == code
    assert result.stderr.startswith(words)
    assert result.stderr.count("\n") == (1 if words else 0)


def test_what_a_command_returns_is_no_exit_code() -> None:
    assert run(lambda: None).exit_code == 0


def test_the_traceback_is_shown_to_who_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Traceback" not in run(raising(KeyError("x"))).stderr
    monkeypatch.setenv(TRACEBACK, "1")
    shown = run(raising(KeyError("x"))).stderr
    assert "Traceback" in shown
    assert shown.splitlines()[-1].startswith(FAULT)


def test_the_help_says_how_to_see_it() -> None:
    app = command_line(about="A toy.", at_fault="the gate", commands={"toy": lambda: None})
    assert TRACEBACK in CliRunner().invoke(app, ["--help"]).output


@pytest.mark.parametrize("arguments", [["make-model"], ["no-such-command"]], ids=["option missing", "unknown command"])
def test_a_mistyped_command_line_is_2(arguments: list[str]) -> None:
    assert subprocess.run([sys.executable, "-m", "fixtures", *arguments], capture_output=True, check=False).returncode == 2


def buffered() -> dict[str, str]:
    """The environment, without what makes every line be written at once."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


def test_output_that_nobody_reads_is_no_refusal(tmp_path: Path) -> None:
    """rich ends the process with 1 there."""
    command = [sys.executable, "-m", "fixtures", "make-model", "--out", str(tmp_path / "model")]
    with subprocess.Popen(command, env=buffered(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == "error: nobody reads the output any more\n"
    assert process.returncode == 2


UNREAD = {
    "a help": "fixtures train --help", "why, for programs": "parity contents no_such --json",
    "a mistyped line, for programs": "parity gate --nosuch --json",
}  # fmt: skip


@pytest.mark.parametrize("line", UNREAD.values(), ids=UNREAD)
def test_what_nobody_reads_is_no_refusal(line: str) -> None:
    """As of `gate --help | head -1`: the pipe is closed before the first line is written."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", *line.split()]
    done = subprocess.run(command, env=buffered(), stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert done.returncode == EXIT_NOT_JUDGED, done.stderr


def test_a_folder_that_was_deleted_is_no_place_to_work_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    result = run(lambda: None)
    assert (result.exit_code, result.stderr.startswith("error: the folder you are in was deleted; cd to one")) == (2, True)
