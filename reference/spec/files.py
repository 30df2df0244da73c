"""Write files so that a crash leaves nothing half-written and nothing is overwritten by accident."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

from reference.spec.errors import NO_SPACE, InputError
from reference.spec.replaced import note_written, only_writer, require_replaceable, require_space

Found = TypeVar("Found")
POINTER = b"version https://git-lfs"
Stamp = tuple[Path, int, int]  # a file, its size and when it was written


def check_free(path: Path, force: bool) -> None:
    """Refuse an existing `path` unless `force`, and a parent that is not a folder. Call before long work."""
    if os.path.lexists(path) and not force:
        raise InputError(f"{path}: already exists; choose another path or pass --force")
    folder = path.absolute().parent
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.is_dir():
        raise InputError(f"{path}: {existing} is not a folder; choose another path")
    if not os.access(existing, os.W_OK):
        raise InputError(f"{path}: folder {existing} is not writable; choose another path")


@contextmanager
def _blaming(path: Path) -> Iterator[None]:
    """What the file system says of a name nobody chose is said of `path`, which was asked for."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be made ({error.strerror}); choose another path") from None


@contextmanager
def new_file(path: Path, force: bool) -> Iterator[Path]:
    """A temporary name beside `path`; renamed to it when the block ends well, removed otherwise."""
    check_free(path, force)
    with _blaming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        with _full_disk(path):
            yield temporary
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path, force: bool) -> Iterator[Path]:
    """A temporary folder beside `path`; renamed to it when the block ends well, removed otherwise.

    With `force` the old folder is moved aside first and deleted only after the new one is in place. Raises InputError if it
    holds what was not written here, or another process is writing it.
    """
    check_free(path, force)
    require_replaceable(path)
    asked, path = path, path.resolve() if path.is_symlink() else path
    with _blaming(asked):
        path.parent.mkdir(parents=True, exist_ok=True)
        require_space(path.parent, asked)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        with only_writer(path), _full_disk(asked):
            yield temporary
            note_written(temporary)
            os.chmod(temporary, 0o755)
            _put(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _put(temporary: Path, path: Path) -> None:
    """Rename a folder to `path`; what was there is deleted afterwards."""
    if not path.exists():
        os.replace(temporary, path)
        return
    require_replaceable(path)  # hours may have passed
    old = temporary.with_name(temporary.name + ".old")
    os.replace(path, old)
    os.replace(temporary, path)
    shutil.rmtree(old)


@contextmanager
def _full_disk(path: Path) -> Iterator[None]:
    """A disk without room, which no message of the system names, is said of `path`, which is on it."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        reason = ": ".join(str(part) for part in (error.filename, error.strerror) if part)
        raise InputError(
            f"{path}: cannot be written ({reason}); free some space there, or in {tempfile.gettempdir()} (TMPDIR)"
        ) from None


def require_content(path: Path) -> None:
    """Raise InputError for a file that cannot be read, for what would be waited for (a pipe), and for a file that only says where
    its content is kept (Git LFS)."""
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: is {'a folder' if path.is_dir() else 'a pipe or a device'}; expected a file")
    try:
        with path.open("rb") as stream:
            start = stream.read(len(POINTER))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); expected a file, and the right to read it") from None
    if start == POINTER:
        raise InputError(f"{path}: is a pointer to a file in Git LFS, not the file; 'git lfs pull' or 'hf download' gets it")


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file's bytes. Raises InputError if it cannot be read."""
    try:
        digest = hashlib.sha256()
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
        return digest.hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); expected a file") from None


class ReadOnce(Generic[Found]):
    """What `read` finds in files, each read once as long as size and time of all its `parts` stay what they were."""

    def __init__(self, read: Callable[[Path], Found], parts: Callable[[Path], Iterable[Path]] = lambda path: (path,)) -> None:
        self._read, self._parts = read, parts
        self._parted: dict[Stamp, tuple[Path, ...]] = {}  # by the file that names them
        self._found: dict[tuple[Stamp, ...], Found] = {}

    def of(self, path: Path) -> Found:
        """What is in a file. Raises InputError if it cannot be read."""
        own = _stamp(path)
        if own not in self._parted:
            self._parted[own] = tuple(self._parts(path))
        key = (own, *(_stamp(part) for part in self._parted[own] if part != path))
        if key not in self._found:
            self._found[key] = self._read(path)
        return self._found[key]


def _stamp(path: Path) -> Stamp:
    """What tells that a file was written again."""
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); expected a file") from None
    return path, status.st_size, status.st_mtime_ns
