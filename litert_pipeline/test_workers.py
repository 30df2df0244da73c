"""The processes that convert: what goes wrong in them is told as if it went wrong here."""

import os
import signal
import time
from multiprocessing import active_children
from pathlib import Path

import pytest

from litert_pipeline.build.recipes import RECIPES
from litert_pipeline.build.workers import PROCESSES, made_bundles, workers
from reference.spec.errors import InputError

LONG_S = 120.0  # of a conversion; starting the processes takes a few seconds


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_bad_input_is_told_by_its_own_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder or weight file"), workers() as pool:
        list(made_bundles(pool, [RECIPES["fp32"]], tmp_path / "nothing", tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_is_killed_is_told_in_one_sentence() -> None:
    with pytest.raises(InputError, match="out of memory"), workers() as pool:
        pool.submit(killed).result()


def long(begun: Path) -> None:
    begun.touch()
    time.sleep(LONG_S)


def interrupted(begun: Path) -> None:
    with workers() as pool:
        pool.submit(long, begun)
        while not begun.exists():
            time.sleep(0.1)
        raise KeyboardInterrupt


def test_an_interrupt_waits_for_no_conversion(tmp_path: Path) -> None:
    start_s = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "begun")
    assert time.monotonic() - start_s < LONG_S
    assert active_children() == []


def test_processes_stay() -> None:
    with workers() as pool:
        assert len({pool.submit(os.getpid).result() for _ in range(2 * PROCESSES)}) <= PROCESSES
        assert os.getpid() not in {pool.submit(os.getpid).result() for _ in range(PROCESSES)}
