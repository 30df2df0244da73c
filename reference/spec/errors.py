"""The one exception a user's mistake raises, and what any exception becomes: one line on stderr and an exit code."""

import errno
import os
import re
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE_S = 10.0  # cleaning up takes less: gigabytes are unlinked, processes that were started have ended
EXIT_SIGNAL = 128  # and the number of a signal, as a shell has it
EXIT_OK, EXIT_REFUSE, EXIT_NOT_JUDGED, EXIT_INTERRUPTED, EXIT_TERMINATED = 0, 1, 2, 130, 143
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
TRACEBACK = "STABLE_AUDIO_PARITY_TRACEBACK"
NOBODY_READS = "error: nobody reads the output any more"
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")  # ends a line, moves a cursor, or turns letters round
NO_MEMORY = ("DefaultCPUAllocator", "Storage size calculation overflowed")  # torch raises a RuntimeError that says so
KILLED = -9  # as subprocess reports a process that was killed, most often for want of memory


class InputError(Exception):
    """Bad input, in one sentence: what was found, what was expected, what to do."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, or SIGHUP of a terminal that was closed: like an interrupt, so that what is half-written and processes that were
    started are cleaned up."""


class Left(SystemExit):
    """The end of a program that said why in one line."""

    def __init__(self, line: str, code: int) -> None:
        super().__init__(code)
        self.line = line


@contextmanager
def exit_with_one_line(at_fault: str = "this program", passing: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Turn every exception but those of `passing` into one line on stderr and exit code 2.

    Bad input is named, and a file system that says no. Anything else is a fault of the code, which `at_fault` names; its
    traceback is printed where the environment asks for it. A library that ends the process by itself has judged nothing.
    """
    try:
        with _terminable():
            yield
    except passing:
        raise
    except Terminated as ended:
        leave("terminated", *ended.args)
    except KeyboardInterrupt:
        leave("interrupted", EXIT_INTERRUPTED)
    except InputError as error:
        leave(f"error: {error}")
    except BrokenPipeError:
        with suppress(OSError):  # where something stands in for it
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that Python can flush it when it ends
        leave(NOBODY_READS)
    except OSError as error:
        if error.errno in NO_SPACE:
            leave(f"error: {_without_room(error)}: {error.strerror}; free some space, or set TMPDIR to a folder that has it")
        place = error.filename2 or error.filename  # of a copy the system names what is read first, and then what is written
        if place is None:
            leave(_fault(error, at_fault))
        leave(f"error: {place}: {error.strerror}; choose another path or free it")
    except MemoryError as error:
        leave(_out_of_memory(error))
    except (Exception, SystemExit) as error:
        if any(words in str(error) for words in NO_MEMORY):
            leave(_out_of_memory(error))
        rich_gave_up = isinstance(error, SystemExit) and isinstance(error.__context__, BrokenPipeError)
        leave(NOBODY_READS if rich_gave_up else _fault(error, at_fault))


@contextmanager
def _terminable() -> Iterator[None]:
    """Signals that end a program raise Terminated or KeyboardInterrupt, in the one thread that may say so; one that is ignored
    (nohup) stays so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before, terminate = {number: signal.getsignal(number) for number in ENDING}, _Terminate()
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, terminate)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Terminate:
    """What a signal does. The first is enough: another soon behind it, as of who presses Ctrl-C twice, would end the cleaning up.
    One that comes later ends what goes on all the same, as where a library swallowed the first."""

    def __init__(self) -> None:
        self._last_s = -PATIENCE_S

    def __call__(self, number: int, frame: object) -> None:
        now_s = time.monotonic()
        if now_s - self._last_s >= PATIENCE_S:
            self._last_s = now_s
            raise KeyboardInterrupt if number == signal.SIGINT else Terminated(EXIT_SIGNAL + number)


def raise_process_error(code: int, errors: str, doing: str) -> None:
    """Raise InputError for a process that ended with a `code` other than 0: its line on stderr after `error: `, else its last."""
    if code:
        lines = [line for line in errors.splitlines() if line.startswith("error: ")] or errors.splitlines()[-1:]
        killed = " (out of memory?)" if code == KILLED else ""
        raise InputError((lines or [f"{doing} ended with exit code {code}{killed}"])[-1].removeprefix("error: "))


def one_line(text: str) -> str:
    """The text with whatever would end its line or steer a terminal written out: names of files and tensors may hold anything."""
    return CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def _without_room(error: OSError) -> str:
    """The file, of a copy the one that is written, which the system names second; of a temporary one where those are."""
    place = error.filename2 or error.filename
    if place is None:
        return f"{os.environ.get('TMPDIR', '/tmp')} (TMPDIR) or where it writes"
    return f"{tempfile.gettempdir()} (TMPDIR)" if is_temporary(Path(os.fsdecode(place))) else str(place)


def is_temporary(place: Path) -> bool:
    """Whether a file lies where temporary ones are made."""
    return Path(os.path.realpath(tempfile.gettempdir())) in Path(os.path.realpath(place)).parents


def _out_of_memory(error: BaseException) -> str:
    return (
        f"error: more memory is needed than there is ({one_line(str(error)) or type(error).__name__}); "
        "ask for something smaller, or free some: the sizes of a model are those of its config"
    )


def leave(line: str, code: int = EXIT_NOT_JUDGED) -> NoReturn:
    """End the program with one line on standard error."""
    told = one_line(line)
    with suppress(OSError):  # of a terminal that is closed
        print(told, file=sys.stderr)
    raise Left(told, code) from None


def _fault(error: BaseException, at_fault: str) -> str:
    """One sentence about an exception nobody foresaw."""
    if os.environ.get(TRACEBACK):
        traceback.print_exception(error)
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return (
        f"error: this is a fault of {at_fault}, not of what it was given ({what}); "
        f"report it in this project's issue tracker with what {TRACEBACK}=1 prints"
    )
