"""One process at a time writes a path: a lock beside it, held as long as that process lives."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reference.spec.errors import InputError

MARK = b"stable-audio-parity writes what this stands beside\n"  # nothing else is taken for a lock, nor deleted


def lock_of(path: Path) -> Path:
    """Where the lock of a path stands."""
    return path.with_name(f".{path.name}.being-written")


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Hold the right to write `path`. Raises InputError if another process has it, or something is where its lock belongs."""
    lock = lock_of(path)
    handle = _opened(lock, path)
    while not _is_held(handle, lock, path):  # whoever held it has removed it by now
        os.close(handle)
        handle = _opened(lock, path)
    try:
        yield
    finally:
        if _is_at(lock, handle):
            lock.unlink(missing_ok=True)
        os.close(handle)


def _opened(lock: Path, path: Path) -> int:
    try:
        return os.open(lock, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise InputError(f"{path}: {lock} cannot be made ({error.strerror}); move that away or choose another path") from None


def _is_held(handle: int, lock: Path, path: Path) -> bool:
    """Hold an open lock, and mark it; False where it no longer stands at its place. Raises InputError as `only_writer`.

    It is marked and removed by who holds it alone. An empty one was left by a process that was killed in between.
    """
    try:
        _hold(handle, path)
        found = os.read(handle, len(MARK) + 1) if stat.S_ISREG(os.fstat(handle).st_mode) else None
        if found not in (b"", MARK):
            raise InputError(f"{path}: {lock} stands where its lock belongs and is none; move that away or choose another path")
        if _is_at(lock, handle):
            if not found:
                os.write(handle, MARK)
            return True
    except BaseException:
        os.close(handle)
        raise
    return False


def _hold(handle: int, path: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(f"{path}: another process is writing it; wait until it has ended, or choose another path") from None
    except OSError:
        return  # a file system without locks


def _is_at(lock: Path, handle: int) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(lock.lstat(), os.fstat(handle))
    return False
