"""The one exception a user's mistake raises, and its translation into an exit code."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

EXIT_OK, EXIT_REFUSE, EXIT_BAD_INPUT = 0, 1, 2
KILLED = -9  # as subprocess tells a process that was killed, most often for want of memory


class InputError(Exception):
    """Bad input, told in one sentence: what was found, what was expected, what to do."""


@contextmanager
def exit_with_one_line() -> Iterator[None]:
    """Turn `InputError` (and a file system that says no) into one line on stderr and exit code 2."""
    try:
        yield
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(EXIT_BAD_INPUT) from None
    except OSError as error:
        print(f"error: {error.filename}: {error.strerror}; choose another path or free it", file=sys.stderr)
        raise SystemExit(EXIT_BAD_INPUT) from None


def raise_process_error(code: int, errors: str, doing: str) -> None:
    """Raise what a process that ended with `code` told on stderr: its line after `error: `, else its last. None if it is 0."""
    if code:
        lines = [line for line in errors.splitlines() if line.startswith("error: ")] or errors.splitlines()[-1:]
        killed = " (out of memory?)" if code == KILLED else ""
        raise InputError((lines or [f"{doing} ended with exit code {code}{killed}"])[-1].removeprefix("error: "))
