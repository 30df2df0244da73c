"""One process at a time writes a path: a lock beside it, held as long as that process lives."""

import fcntl
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from reference.spec.errors import InputError

MARK = b"stable-audio-parity writes what this stands beside\n"  # nothing else is taken for a lock, nor deleted
END, MOST_NOTED = b"\n", 2**10
NOTED = re.compile(rb"(?:%b(?:[ -~]+\n)?)?" % MARK)  # all that such a file may hold: nothing yet, or a name


def lock_of(path: Path) -> Path:
    """Where the lock of a path stands."""
    return path.with_name(f".{path.name}.being-written")


@dataclass(frozen=True)
class Held:
    """The right to write a path. `left` is what a process that was killed had noted that it would leave; empty if nothing."""

    handle: int
    left: str

    def note(self, left: str) -> None:
        """Note what would be left if this process were killed."""
        os.pwrite(self.handle, MARK + left.encode() + END, 0)


@contextmanager
def only_writer(path: Path) -> Iterator[Held]:
    """Hold the right to write `path`. Raises InputError if another process has it, or something is where its lock belongs."""
    lock = lock_of(path)
    handle = _opened(lock, path)
    while (left := _held(handle, lock, path)) is None:  # whoever held it has removed it by now
        os.close(handle)
        handle = _opened(lock, path)
    try:
        yield Held(handle, left)
    finally:
        if _is_at(lock, handle):
            lock.unlink(missing_ok=True)
        os.close(handle)


def _opened(lock: Path, path: Path) -> int:
    try:
        return os.open(lock, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise InputError(f"{path}: {lock} cannot be made ({error.strerror}); move that away or choose another path") from None


def _held(handle: int, lock: Path, path: Path) -> str | None:
    """Hold an open lock, and mark it: what was noted in it; None where it no longer stands at its place. Raises InputError as
    `only_writer`.

    It is marked and removed by who holds it alone. An empty one was left by a process that was killed in between.
    """
    try:
        alone = _hold(handle, path)
        found = os.read(handle, len(MARK) + MOST_NOTED) if stat.S_ISREG(os.fstat(handle).st_mode) else b"?"
        if not NOTED.fullmatch(found):
            raise InputError(f"{path}: {lock} stands where its lock belongs and is none; move that away or choose another path")
        if _is_at(lock, handle):
            os.ftruncate(handle, 0)
            os.pwrite(handle, MARK, 0)
            return found.removeprefix(MARK).decode().strip() if alone else ""
    except BaseException:
        os.close(handle)
        raise
    return None


def _hold(handle: int, path: Path) -> bool:
    """Whether it is held alone, which a file system without locks does not tell. Raises InputError where somebody does."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(f"{path}: another process is writing it; wait until it has ended, or choose another path") from None
    except OSError:
        return False
    return True


def _is_at(lock: Path, handle: int) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(lock.lstat(), os.fstat(handle))
    return False
