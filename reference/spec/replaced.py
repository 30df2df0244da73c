"""Which folders may be replaced: those that hold nothing but what was written here, and that nobody else is writing."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reference.spec.errors import InputError

WRITTEN = ".written.json"  # in every folder that is written here: what else is in it
LEAST_FREE_BYTES = 2**26  # a report with its sounds and pictures takes a third
SHOWN = 3


def note_written(folder: Path) -> None:
    """Write the list of all files in a folder into it."""
    content = {"about": "what this folder was written with; --force deletes these files and no others", "files": _files(folder)}
    (folder / WRITTEN).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def require_replaceable(path: Path) -> None:
    """Raise InputError for what is there and cannot be a folder to replace, or holds files that were not written here."""
    if not path.name or path.resolve() in (Path.cwd(), *Path.cwd().parents):
        raise InputError(f"{path}: is the folder you are in, or one around it; name a folder of its own")
    if path.is_symlink() and not path.exists():
        raise InputError(f"{path}: is a link to {path.readlink()}, which is not there; remove it or choose another path")
    if not path.exists():
        return
    if not path.is_dir():
        raise InputError(f"{path}: is a file; expected a folder to replace")
    if os.path.ismount(path):
        raise InputError(f"{path}: is a mount, which cannot be replaced; name a folder inside it")
    if strange := sorted(set(_files(path)) - _noted(path)):
        shown = ", ".join(strange[:SHOWN]) + (f" and {len(strange) - SHOWN} more" if len(strange) > SHOWN else "")
        raise InputError(
            f"{path}: holds what was not written here ({shown}), which replacing it would delete; "
            "choose another path, or move it away"
        )


def require_apart(path: Path, needed: Iterable[Path]) -> None:
    """Raise InputError if anything that is `needed` to write `path` lies in it: replacing it would delete that."""
    inside = next((other for other in needed if path.resolve() in (other.resolve(), *other.resolve().parents)), None)
    if inside is not None:
        raise InputError(f"{path}: holds {inside}, which is needed to write it; choose another path")


def require_outside(path: Path, bundles: Iterable[Path]) -> None:
    """Raise InputError if `path` lies in one of the bundles: it would be published with it, and be strange in it."""
    around = next((bundle for bundle in bundles if bundle.resolve() in path.resolve().parents), None)
    if around is not None:
        raise InputError(f"{path}: lies in the bundle {around}, which would hold what is no part of it; choose a path outside")


def require_space(folder: Path, asked: Path) -> None:
    """Raise InputError where next to nothing is free in a folder that exists; `asked` is the path to name."""
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise InputError(f"{asked}: {free >> 20} MiB are free there, expected {LEAST_FREE_BYTES >> 20} at least; free some space")


@contextmanager
def only_writer(path: Path) -> Iterator[None]:
    """Hold the right to write `path`, by a lock beside it. Raises InputError if another process has it."""
    lock = path.with_name(f".{path.name}.lock")
    while True:
        handle = os.open(lock, os.O_CREAT | os.O_RDWR, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise InputError(f"{path}: another process is writing it; wait until it has ended, or choose another path") from None
        except OSError:  # a file system without locks
            break
        if lock.exists() and os.stat(lock).st_ino == os.fstat(handle).st_ino:
            break
        os.close(handle)  # of a file that whoever held it has removed by now
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        os.close(handle)


def _files(folder: Path) -> list[str]:
    """All that is no folder, but for the list itself."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted(name for path in found if (name := path.relative_to(folder).as_posix()) != WRITTEN)


def _noted(folder: Path) -> set[str]:
    """What the list in it names; nothing where there is none, or none that can be read."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return {str(name) for name in json.loads((folder / WRITTEN).read_text(encoding="utf-8"))["files"]}
    return set()
