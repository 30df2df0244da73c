"""Which paths may be written and replaced: told before work begins, by trying what its end will do."""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reference.spec.errors import InputError
from reference.spec.kinds import Kind, files_in, written_in

LEAST_FREE_BYTES = 2**26  # a report with its sounds and pictures takes a third
TRIED_BYTES = 2**16  # a disk that has no room for so many is full
SHOWN = 3
MOUNTS = Path("/proc/self/mountinfo")  # of Linux; the fifth word of each line is where something is mounted
TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.EISDIR)  # all that forbids a rename to a folder with something in it


def require_replaceable(asked: Path, kind: Kind) -> None:
    """Raise InputError for what is there and is no folder that another of its kind may replace, or holds files that were not
    written here."""
    path = Path(os.path.realpath(asked))
    if path in (Path.cwd(), *Path.cwd().parents):
        raise InputError(f"{asked}: is the folder you are in, or one around it; name a folder of its own")
    if asked.is_symlink() and not path.exists():
        raise InputError(f"{asked}: is a link to {asked.readlink()}, which is not there; remove it or choose another path")
    if not path.exists():
        return
    if not path.is_dir():
        raise InputError(f"{asked}: is a file; expected a folder to replace")
    there, found = files_in(path), written_in(path)
    if strange := list(found.strange(path)) if found else there:
        shown = ", ".join(strange[:SHOWN]) + (f" and {len(strange) - SHOWN} more" if len(strange) > SHOWN else "")
        raise InputError(
            f"{asked}: holds what was not written here ({shown}), which replacing it would delete; "
            "choose another path, or move it away"
        )
    if there and found and found.kind != kind:
        is_what = f"is a {found.kind}" if found.kind else "was written by an earlier version, and nothing in it tells what it is"
        raise InputError(f"{asked}: {is_what}; a {kind} replaces only a {kind}; choose another path, or move it away")


def require_movable(path: Path, asked: Path) -> None:
    """Raise InputError for what is at `path` and cannot be renamed, which is how it is replaced: a mount, what may not change,
    somebody else's folder where each may move their own. `asked` is the path to name.

    It stays where it is: it is renamed to a folder with something in it, which the system forbids last of all.
    """
    if not os.path.lexists(path):
        return
    if os.path.ismount(path) or str(path) in _mounted():
        raise InputError(f"{asked}: is a mount, which cannot be replaced; name a path inside it, or another")
    with blaming(asked):
        aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    held = aside / "held"
    try:
        held.touch()
        os.rename(path, aside)
    except OSError as error:
        if error.errno not in TAKEN:
            raise InputError(f"{asked}: cannot be replaced ({error.strerror}); choose another path, or remove it") from None
    else:  # by a system that no standard knows
        os.rename(aside, path)
    finally:  # nothing that holds anything is deleted here
        with suppress(OSError):
            held.unlink(missing_ok=True)
            aside.rmdir()


def require_writable(folder: Path, asked: Path) -> None:
    """Raise InputError if nothing can be written and renamed in a folder that exists; `asked` is the path to name."""
    with blaming(asked):
        first, then = (_made(folder, asked) for _ in range(2))
        try:
            first.write_bytes(bytes(TRIED_BYTES))
            os.replace(first, then)
        finally:
            for path in (first, then):
                path.unlink(missing_ok=True)


def _made(folder: Path, asked: Path) -> Path:
    handle, name = tempfile.mkstemp(prefix=f".{asked.name}.", suffix=asked.suffix, dir=folder)
    os.close(handle)
    return Path(name)


@contextmanager
def blaming(path: Path) -> Iterator[None]:
    """What the file system says of a name nobody chose is said of `path`, which was asked for."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be made ({error.strerror}); choose another path") from None


def require_space(folder: Path, asked: Path) -> None:
    """Raise InputError where next to nothing is free in a folder that exists; `asked` is the path to name."""
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise InputError(f"{asked}: {free >> 20} MiB are free there, expected {LEAST_FREE_BYTES >> 20} at least; free some space")


def require_temporary_space() -> None:
    """Raise InputError where next to nothing is free for what is made on the way."""
    folder = temporary_folder()
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise InputError(
            f"{folder} (TMPDIR): {free >> 20} MiB are free there, expected {LEAST_FREE_BYTES >> 20} at least; free some space, "
            "or set TMPDIR to a folder that has it"
        )


def temporary_folder() -> Path:
    """Where temporary files go. Raises InputError where they can go nowhere."""
    try:
        return Path(os.path.realpath(tempfile.gettempdir()))
    except OSError as error:
        asked = os.environ.get("TMPDIR", "/tmp")
        raise InputError(f"{asked} (TMPDIR): {error.strerror}; set TMPDIR to a folder that has space") from None


def _mounted() -> set[str]:
    """Where anything is mounted, files and folders of the same disk, too; nothing where the system does not say."""
    with suppress(OSError):
        lines = MOUNTS.read_bytes().splitlines()
        return {re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), os.fsdecode(line.split()[4])) for line in lines}
    return set()
