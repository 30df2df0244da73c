"""Runs of pytest as a user starts them, one after another in one process of their own: what each would import again, torch and
the runtimes, takes longer than most of them."""

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

OTHER_RUN = ("PYTEST_XDIST", "PYTEST_ADDOPTS")  # variables that are for the run this one is part of
QUIET_ALONE = ("-q", "-p", "no:xdist")


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How a run ended."""

    returncode: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class PytestProcess:
    """The process. Each run is a question and an answer, a line of JSON each."""

    process: subprocess.Popen[str]

    def __call__(self, *arguments: str | Path) -> Ran:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([*QUIET_ALONE, *map(str, arguments)]) + "\n")
        self.process.stdin.flush()
        return Ran(**json.loads(self.process.stdout.readline()))


@contextmanager
def pytest_process() -> Iterator[PytestProcess]:
    """Start it, and end it."""
    command = [sys.executable, "-m", __name__]
    own = {name: value for name, value in os.environ.items() if not name.startswith(OTHER_RUN)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=own) as process:
        yield PytestProcess(process)


def _ran(arguments: Sequence[str]) -> Ran:
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = pytest.main(list(arguments))
    return Ran(returncode=int(code), stdout=out.getvalue(), stderr=err.getvalue())


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(asdict(_ran(json.loads(line)))), flush=True)
