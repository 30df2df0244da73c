"""Work in a process of its own, so that a runtime that dies is told about and not a command that vanishes."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping

from reference.spec.errors import InputError, Terminated, exit_with_one_line

SIGNALS: Mapping[int, str] = {
    signal.SIGILL: "an illegal instruction: one that this CPU does not have",
    signal.SIGKILL: "SIGKILL (out of memory?)",
}


def called(number: int) -> str:
    """A signal in words; illegal instruction is what a CPU says that lacks one."""
    if number in SIGNALS:
        return SIGNALS[number]
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"


def supervised(work: Callable[[], None], doing: str, at_fault: str) -> int:
    """Do the work where nothing else is lost if the runtime ends the process; the exit code it ends with, 0 or another.

    `doing` is what is told to have been done. Raises InputError for a process that a signal has ended. Where there is no other
    process to be had, or this one has threads already or somebody who reads its output from inside, the work is done here.
    """
    if not hasattr(os, "fork") or threading.active_count() > 1 or sys.stdout is not sys.__stdout__:
        work()
        return 0
    _flush()
    child = os.fork()
    if child == 0:
        os._exit(_worked(work, at_fault))
    status = _waited(child)
    if os.WIFSIGNALED(status):
        raise InputError(f"{doing}: LiteRT ended its process with {called(os.WTERMSIG(status))}")
    return os.waitstatus_to_exitcode(status)


def _worked(work: Callable[[], None], at_fault: str) -> int:
    """The child's exit code; what goes wrong is told as usual."""
    code = 0
    try:
        with exit_with_one_line(at_fault):
            work()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    _flush()
    return code


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def _waited(child: int) -> int:
    """How a child ended; whoever interrupts or terminates this process does so to it."""
    while True:
        try:
            return os.waitpid(child, 0)[1]
        except Terminated:
            os.kill(child, signal.SIGTERM)
        except KeyboardInterrupt:
            os.kill(child, signal.SIGINT)
