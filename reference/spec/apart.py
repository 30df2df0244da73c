"""What a command writes is no part of what it reads, nor of a folder that was written whole."""

import os
from collections.abc import Iterable
from pathlib import Path

from reference.spec.errors import InputError
from reference.spec.kinds import WRITTEN, written_in

OUTSIDE = "which would hold what is no part of it; choose a path outside"


def require_apart(path: Path, reads: Iterable[Path | None]) -> None:
    """Raise InputError if anything that is read to write `path` is it, lies in it, or is a folder it lies in."""
    for read in filter(None, reads):
        ours, theirs = _places(path), _places(read)
        if ours & theirs:
            raise InputError(f"{path}: is {read} itself, which is needed to write it; choose another path")
        if not os.path.lexists(read):  # an id on the hub
            continue
        if any(place in other.parents for place in ours for other in theirs):
            raise InputError(f"{path}: holds {read}, which is needed to write it; choose another path")
        if any(other in place.parents for place in ours for other in theirs):
            raise InputError(f"{path}: lies in {read}, {OUTSIDE}")


def require_no_part(path: Path, *, fills: bool = False) -> None:
    """Raise InputError if `path` lies in a folder that was written whole, or is one that would be filled further: with others'
    files in it that folder is never replaced again, and may be published with them."""
    for place in _places(path):
        for folder in (*([place] if fills else []), *place.parents):
            if os.path.lexists(folder / WRITTEN):
                found = written_in(folder)
                where = "is" if folder == place else f"lies in {folder},"
                raise InputError(f"{path}: {where} a {(found and found.kind) or 'folder'} that was written whole, {OUTSIDE}")


def _places(path: Path) -> set[Path]:
    """Where it is: behind links, and where the last of them stands, for what replaces a link replaces no more than that."""
    return {Path(os.path.realpath(path)), Path(os.path.realpath(path.parent), path.name)}
