"""Write files so that a crash leaves nothing half-written and nothing is overwritten by accident."""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

from reference.spec.apart import require_apart, require_no_part
from reference.spec.errors import NO_SPACE, InputError, is_temporary
from reference.spec.kinds import Kind, note_written
from reference.spec.only_writer import only_writer
from reference.spec.replaced import (
    blaming,
    require_movable,
    require_replaceable,
    require_space,
    require_temporary_space,
    require_writable,
    temporary_folder,
)

Found = TypeVar("Found")
ASIDE = re.compile(r"\.[a-z0-9_]+")  # how names of temporary folders end
POINTER = b"version https://git-lfs"
Stamp = tuple[Path, int, int]  # a file, its size and when it was written


def check_file(path: Path, force: bool, reads: Iterable[Path | None]) -> None:
    """Find out before work whether a file can be written there. Raises InputError if not, and if it is part of what is read to
    write it, or of a folder that was written whole."""
    require_apart(path, reads)
    require_no_part(path)
    _require_file(path)
    folder = Path(os.path.realpath(path.parent))
    existing = _free(path, folder, force)
    require_movable(folder / path.name, path)
    require_writable(existing, path)


def check_folder(path: Path, kind: Kind, force: bool, reads: Iterable[Path | None] = ()) -> None:
    """The same of a folder of some kind that is written whole, and of the room it takes."""
    require_apart(path, reads)
    require_no_part(path)
    place = Path(os.path.realpath(path))
    existing = _free(path, place.parent, force)
    require_replaceable(path, kind)
    require_movable(place, path)
    require_writable(existing, path)
    require_space(existing, path)
    require_temporary_space()


def check_filled(path: Path, reads: Iterable[Path | None]) -> None:
    """The same of a folder that files are added to, whatever is in it."""
    require_apart(path, reads)
    require_no_part(path, fills=True)
    if os.path.lexists(path) and not path.is_dir():
        raise InputError(f"{path}: is no folder; expected one to fill, or a path where nothing is")
    existing = _free(path, Path(os.path.realpath(path)).parent, force=True)
    require_writable(path if path.is_dir() else existing, path)


def _free(path: Path, folder: Path, force: bool) -> Path:
    """What exists of the folder that `path` would be made in. Raises InputError if that is none, or for a `path` that is there
    without `force`."""
    if os.path.lexists(path) and not force:
        raise InputError(f"{path}: already exists; choose another path or pass --force")
    if broken := next((parent for parent in path.parents if parent.is_symlink() and not parent.exists()), None):
        told = f"{broken} is a link to {broken.readlink()}, which is not there"
        raise InputError(f"{path}: {told}; remove it or choose another path")
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not existing.is_dir():
        raise InputError(f"{path}: {existing} is not a folder; choose another path")
    if not os.access(existing, os.W_OK):
        raise InputError(f"{path}: folder {existing} is not writable; choose another path")
    return existing


def _require_file(path: Path) -> None:
    """Raise InputError for what is there and is no file."""
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: is {'a folder' if path.is_dir() else 'a pipe or a device'}; expected a file to write")


@contextmanager
def new_file(path: Path, force: bool) -> Iterator[Path]:
    """A temporary name beside `path`; renamed to it when the block ends well, removed otherwise. Before work: `check_file`."""
    _require_file(path)
    _free(path, Path(os.path.realpath(path.parent)), force)
    with blaming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        with _full_disk(path, temporary):
            yield temporary
        os.chmod(temporary, 0o644)
        _require_file(path)  # hours may have passed
        with blaming(path):
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path, kind: Kind, force: bool, reads: Iterable[Path | None] = ()) -> Iterator[Path]:
    """A temporary folder beside `path`; renamed to it when the block ends well, removed otherwise.

    With `force` the old folder is moved aside first and deleted only after the new one is in place. Raises InputError as
    `check_folder`, before the block begins, and if another process is writing it.
    """
    check_folder(path, kind, force, reads)
    asked, path = path, Path(os.path.realpath(path))
    with blaming(asked):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _aside(path)
    try:
        with only_writer(path) as held, _full_disk(asked, temporary):
            _remove_left(held.left, path)
            held.note(temporary.name.removeprefix(f".{path.name}"))
            yield temporary
            note_written(temporary, kind)
            os.chmod(temporary, 0o755)
            _put(temporary, path, asked, kind)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _remove_left(ending: str, path: Path) -> None:
    """Remove the temporary folder of a process that was killed: its name begins as `_aside` has it, and ends so. A link is none,
    and is left."""
    if ASIDE.fullmatch(ending):
        shutil.rmtree(path.with_name(f".{path.name}{ending}"), ignore_errors=True)


def _aside(path: Path) -> Path:
    """An empty folder beside a path."""
    return Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))


def _put(temporary: Path, path: Path, asked: Path, kind: Kind) -> None:
    """Rename a folder to `path`; what was there is deleted afterwards, and stays where that fails."""
    if not path.exists():
        with blaming(asked):
            os.replace(temporary, path)
        return
    require_replaceable(asked, kind)  # hours may have passed
    with blaming(asked):
        old = _aside(path)
        os.replace(path, old)
        try:
            os.replace(temporary, path)
        except BaseException:
            os.replace(old, path)
            raise
    try:
        shutil.rmtree(old)
    except OSError as error:
        raise InputError(f"{asked}: is written, but what it replaces stays in {old} ({error.strerror}); remove that") from None


@contextmanager
def _full_disk(path: Path, written: Path) -> Iterator[None]:
    """A disk without room is named: that of `path`, which is `written` first, or that of other temporary files."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        place = error.filename2 or error.filename  # of a copy the system names what is read first, and then what is written
        raise InputError(_told_full(path, written, None if place is None else Path(os.fsdecode(place)), error)) from None


def _told_full(path: Path, written: Path, place: Path | None, error: OSError) -> str:
    temporary = temporary_folder()
    if place is not None and is_temporary(place) and written not in (place, *place.parents):
        return f"{temporary} (TMPDIR): {error.strerror}; free some space, or set TMPDIR to a folder that has it"
    reason = ": ".join(str(part) for part in (place, error.strerror) if part)
    return f"{path}: cannot be written ({reason}); free some space there, or in {temporary} (TMPDIR)"


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
