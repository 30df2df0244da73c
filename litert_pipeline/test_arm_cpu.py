"""A CPU that LiteRT cannot be loaded on is told so before it is, and a runtime that dies is told about."""

import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from litert_pipeline.run import probe
from litert_pipeline.run.arm_cpu import ACCELERATOR, AT_HWCAP, ATOMICS, require_atomics
from litert_pipeline.run.supervised import called
from reference.spec.errors import InputError

SUPERVISED = """
import os, signal, sys
from litert_pipeline.run.supervised import supervised
from reference.spec.errors import InputError, exit_with_one_line

signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell's background job begins without

def work():
    {work}

with exit_with_one_line():
    code = supervised(work, "generating", "this")
sys.exit(code)
"""
# A signal to the process above, once it waits; whoever is not told of it in turn would work for a minute.
TOLD_ABOVE = "import time; time.sleep(1); os.kill(os.getppid(), {signal}); time.sleep(60)"


def auxv(folder: Path, hwcap: int) -> Path:
    path = folder / "auxv"
    path.write_bytes(struct.pack("NNNN", AT_HWCAP, hwcap, 0, 0))
    return path


def test_a_cpu_without_atomics_is_told_what_to_do(tmp_path: Path) -> None:
    library = tmp_path / ACCELERATOR
    with pytest.raises(InputError, match=r"--runtime interpreter") as error:
        require_atomics(auxv(tmp_path, 0xFF), "aarch64", library)
    assert str(error.value).startswith(str(library))


@pytest.mark.parametrize(("hwcap", "machine"), [(1 << ATOMICS, "aarch64"), (0, "x86_64"), (1 << ATOMICS | 3, "arm64")])
def test_any_other_cpu_is_let_through(tmp_path: Path, hwcap: int, machine: str) -> None:
    require_atomics(auxv(tmp_path, hwcap), machine, tmp_path / ACCELERATOR)


def supervised(work: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SUPERVISED.format(work=work)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": os.getcwd()})


# What happens in the work, the exit code then, and what is said.
ENDS = {
    "well": ("print('done', flush=True)", 0, ""),
    "bad input": ("raise InputError('too loud')", 2, "error: too loud"),
    "illegal": ("os.kill(os.getpid(), 4)", 2, "error: generating: LiteRT ended its process with an illegal instruction"),
    "segmentation fault": ("os.kill(os.getpid(), 11)", 2, "error: generating: LiteRT ended its process with SIGSEGV"),
    "interrupted": (TOLD_ABOVE.format(signal=2), 130, "interrupted"),
    "terminated": (TOLD_ABOVE.format(signal=15), 143, "terminated"),
}


@pytest.mark.parametrize("end", ENDS)
def test_however_work_ends_it_is_told(end: str) -> None:
    work, code, said = ENDS[end]
    done = supervised(work)
    assert done.returncode == code
    assert done.stderr.startswith(said)
    assert bool(done.stderr) == bool(said)


def test_signals_have_names() -> None:
    assert called(signal.SIGSEGV) == "SIGSEGV"
    assert called(250) == "signal 250"


@pytest.mark.parametrize(("number", "advice"), [(signal.SIGILL, "classic Interpreter"), (signal.SIGSEGV, "convert it again")])
def test_what_to_do_about_a_crash_depends_on_its_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, advice: str
) -> None:
    """No other file helps a CPU that lacks an instruction."""
    crashed = subprocess.CompletedProcess([], -number, stdout="dit.tflite\n", stderr="")
    monkeypatch.setattr(probe.subprocess, "run", lambda *_, **__: crashed)
    with pytest.raises(InputError, match=advice):
        probe.require_loadable(tmp_path)
