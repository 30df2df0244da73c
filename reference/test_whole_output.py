"""What becomes of a command whose standard output or error is full, closed, or read by nobody: its work is done, its exit code
says whether it was told."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOLD = "what was found is not told there, or in part, so print it elsewhere\n"
FULL = f"error: standard output: No space left on device; {TOLD}"
CLOSED = f"error: standard output: it is closed; {TOLD}"
NOBODY = "error: nobody reads the output any more\n"
# Writes a file behind what it prints, as the gate does its report, and ends with a verdict.
TOY = """
import subprocess, sys
from pathlib import Path
import typer
from reference.command_line import command_line

def told() -> None:
    print("PUBLISH")
    print("a verdict", file=sys.stderr)
    Path("report").touch()

def refused() -> None:
    told()
    raise typer.Exit(1)

def starting() -> None:
    subprocess.run([sys.executable, "-c", "import os; os.fstat(1), os.fstat(2)"], check=True)
    Path("report").touch()

def quiet() -> None:
    Path("report").touch()

commands = {"told": told, "refused": refused, "starting": starting, "quiet": quiet}
command_line(about="A toy.", at_fault="the toy", commands=commands)()
"""
# What a shell is told: exit code, standard error, whether the work was done.
SHELLS: dict[str, tuple[str, int, str, bool]] = {
    "told": ("told", 0, "a verdict\n", True),
    "refused": ("refused", 1, "a verdict\n", True),
    "full": ("told > /dev/full", 2, f"a verdict\n{FULL}", True),
    "full, refused": ("refused > /dev/full", 2, f"a verdict\n{FULL}", True),
    "full, unbuffered": ("told > /dev/full", 2, f"a verdict\n{FULL}", True),
    "full, nothing said": ("quiet > /dev/full", 0, "", True),
    "full, help": ("--help > /dev/full", 2, FULL, False),
    "closed": ("told >&-", 2, f"a verdict\n{CLOSED}", True),
    "closed, nothing said": ("quiet >&-", 0, "", True),
    "both closed, of what is started, too": ("starting >&- 2>&-", 0, "", True),
    "error closed": ("told 2>&-", 0, "", True),
    "error full": ("told 2> /dev/full", 0, "", True),
    "both closed": ("told >&- 2>&-", 2, "", True),
    "read by nobody": ("told | true", 2, f"a verdict\n{NOBODY}", True),
    "help read by nobody": ("--help | true", 2, "", False),
}


@pytest.mark.parametrize("name", SHELLS)
def test_work_is_done_and_what_is_not_told_is_no_success(name: str, tmp_path: Path) -> None:
    line, code, errors, done = SHELLS[name]
    (tmp_path / "toy.py").write_text(TOY)
    unbuffered = {"PYTHONUNBUFFERED": "1"} if "unbuffered" in name else {}
    shell = f"set -o pipefail; {sys.executable} toy.py {line.replace('| true', '| sleep 0')}"
    found = subprocess.run(
        ["bash", "-c", shell], cwd=tmp_path, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **unbuffered},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (found.returncode, found.stderr) == (code, errors), found
    assert (tmp_path / "report").exists() == done
