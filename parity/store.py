"""What is costly to compute, kept on disk: arrays by the content they follow from.

An entry's name is the hash of a description of everything it follows from, and the description is stored inside, so an
entry of anything else, under whatever name, is not taken for it. The container's checksums tell damage. Either way
the entry is computed again and replaced.
"""

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

import parity
import reference
from reference.spec.files import new_file, sha256_of
from reference.spec.tensors import Tensors

LIMIT_BYTES = 2 * 2**30  # some two hundred truths at full size
DESCRIPTION = "description"  # the name of the array that holds it
SOURCES = (Path(reference.__file__).parent, Path(parity.__file__).parent)
OWN_MODULES = ("truth.py", "envelope.py", "metrics.py", "hearing.py")  # of parity, those whose code an entry follows from


@dataclass(frozen=True, kw_only=True)
class Store:
    """A folder of entries, the least recently used ones removed beyond `limit_bytes`. Without a folder, none is kept."""

    folder: Path | None = None
    limit_bytes: int = LIMIT_BYTES

    @classmethod
    def of_user(cls) -> "Store":
        """The folder this system has for a user's caches."""
        return cls(folder=Path(platformdirs.user_cache_dir("stable-audio-parity")))

    def kept(self, description: Mapping[str, Any], compute: Callable[[], Tensors]) -> Tensors:
        """The entry that follows from `description` and this code: read if it is there and sound, else computed."""
        if self.folder is None:
            return compute()
        text = json.dumps({**description, "code": code_version()}, sort_keys=True)
        path = self.folder / f"{hashlib.sha256(text.encode()).hexdigest()}.npz"
        found = _read(path, text)
        if found is not None:
            os.utime(path)
            return found
        found = compute()
        with new_file(path, force=True) as temporary, temporary.open("wb") as stream:
            np.savez(stream, **{DESCRIPTION: np.array(text), **found})  # type: ignore[arg-type]
        self._shrink(path)
        return found

    def _shrink(self, newest: Path) -> None:
        """Remove entries, the longest unused first, until the rest fits; never the one just written."""
        assert self.folder is not None
        entries = sorted(self.folder.glob("*.npz"), key=lambda path: path.stat().st_mtime, reverse=True)
        total = 0
        for path in entries:
            total += path.stat().st_size
            if total > self.limit_bytes and path != newest:
                path.unlink(missing_ok=True)  # another process may have been faster


def _read(path: Path, text: str) -> Tensors | None:
    """The arrays of an entry, or None if it is not there, damaged, or follows from something else."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    described = arrays.pop(DESCRIPTION, None)
    return arrays if described is not None and str(described) == text else None


@cache
def code_version() -> str:
    """A hash of the code that entries follow from: the reference, what is computed here, torch and numpy."""
    files = [path for path in SOURCES[0].rglob("*.py") if not path.name.startswith("test_")]
    files += [SOURCES[1] / name for name in OWN_MODULES]
    hashes = [sha256_of(path) for path in sorted(files)]
    versions = [version(package) for package in ("torch", "numpy", "scipy", "pyloudnorm")]
    return hashlib.sha256(json.dumps([hashes, versions]).encode()).hexdigest()
