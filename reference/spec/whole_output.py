"""A program's standard output: all of what it found is told there, or its exit code says that it was not."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import TextIO

from reference.spec.errors import NOBODY_READS, leave

OUT, ERR = 1, 2  # their numbers, whatever stands in for them in Python
CLOSED = OSError(errno.EBADF, "it is closed")


class _Noting(FileIO):
    """Takes whatever is written to it, so that work goes on and its result is kept: what could not be written is told at the end.
    Of a pipe that nobody reads any more it is told at once."""

    why: OSError | None = None

    def __init__(self, number: int, closed: bool) -> None:
        super().__init__(_to_nothing(number) if closed else number, "w", closefd=False)
        self._was_closed = closed

    def write(self, data: object) -> int:
        try:
            written = super().write(data)  # type: ignore[arg-type]
        except BrokenPipeError:
            raise
        except OSError as error:
            self.why = error
            return len(memoryview(data))  # type: ignore[arg-type]
        if self._was_closed:
            self.why = CLOSED
        return written


@contextmanager
def whole_output() -> Iterator[None]:
    """Exit with code 2, and a line that says why, where what is printed in this block could not be written. A standard error that
    is full or closed tells nothing, and ends nothing."""
    out, err = sys.stdout, sys.stderr
    if out is not sys.__stdout__:  # something stands in for it
        yield
        return
    noting = _Noting(OUT, out is None)
    sys.stdout = _text(noting, out, each_line=noting.isatty() or bool(out and out.write_through))
    sys.stderr = _text(_Noting(ERR, err is None), err, each_line=True)
    try:
        yield
    finally:
        _require_told(noting)
        sys.stdout, sys.stderr = out, err


def _text(noting: _Noting, before: TextIO | None, each_line: bool) -> TextIOWrapper:
    encoding, errors = (before.encoding, before.errors) if before else (None, "backslashreplace")
    return TextIOWrapper(BufferedWriter(noting), encoding, errors, line_buffering=each_line)


def _require_told(raw: _Noting) -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _to_nothing(OUT)
        leave(NOBODY_READS)
    if raw.why is not None:
        leave(f"error: standard output: {raw.why.strerror}; what was found is not told there, or in part, so print it elsewhere")


def _to_nothing(number: int) -> int:
    """Let a stream that is closed, or that nobody reads, lead to nothing, in processes that are started, too."""
    handle = os.open(os.devnull, os.O_WRONLY)
    with suppress(OSError):
        os.dup2(handle, number)
    if handle != number:
        os.close(handle)
    os.set_inheritable(number, True)
    return number
