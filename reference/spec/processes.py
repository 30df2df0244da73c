"""Processes that stay, take job after job, and import what they need once."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context

from reference.spec.errors import InputError


@contextmanager
def processes(count: int, job: str, again: str) -> Iterator[Executor]:
    """So many processes to hand jobs to. What a job raises, its future raises.

    Raises InputError if a process dies, in words: what the `job` is, and what to do `again`.
    """
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_settle)
    try:
        yield pool
    except BrokenProcessPool:
        raise InputError(f"{job}: its process was killed (out of memory?); free memory and {again} again") from None
    except KeyboardInterrupt:
        for process in active_children():
            process.terminate()  # nobody waits for what it is at
        raise
    finally:
        pool.shutdown(cancel_futures=True)  # waits, so nobody writes on behind our back


def _settle() -> None:
    """Native code writes to the terminal by the page; an interrupt is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
