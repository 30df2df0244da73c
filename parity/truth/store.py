"""What is costly to compute, kept on disk: arrays by the content they follow from.

An entry's name is the hash of a description of everything it follows from, and the description is stored inside, so an
entry of anything else, under whatever name, is not taken for it. A hash of its bytes at its start tells damage. Either
way the entry is computed again and replaced. A folder that cannot be written is no reason not to judge.
"""

import hashlib
import io
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

import parity
import reference
from litert_pipeline.build import channels_last, rewrites
from reference.spec.errors import InputError
from reference.spec.files import new_file, sha256_of
from reference.spec.tensors import Tensors

LIMIT_BYTES = 2 * 2**30  # some two hundred truths at full size
DESCRIPTION = "description"  # the name of the array that holds it
SUFFIX, HASH_BYTES = ".entry", 32
SOURCES = (Path(reference.__file__).parent, Path(parity.__file__).parent)
OWN_MODULES = (  # those an entry follows from
    "truth/traces.py", "truth/envelope.py", "truth/precision.py", "measure/teacher_forcing.py", "measure/metrics.py",
    "measure/portraits.py", "runtimes/upstream.py", "device/recording.py",
)  # fmt: skip


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
        path = self.folder / f"{hashlib.sha256(text.encode()).hexdigest()}{SUFFIX}"
        found = _read(path, text)
        if found is not None:
            with suppress(OSError):  # another process may have removed it by now
                os.utime(path)
            return found
        found = compute()
        with suppress(OSError, InputError):
            with new_file(path, force=True) as temporary:
                temporary.write_bytes(_packed({DESCRIPTION: np.array(text), **found}))
            self._shrink(path)
        return found

    def _shrink(self, newest: Path) -> None:
        """Remove entries, the longest unused first, until the rest fits; never the one just written."""
        assert self.folder is not None
        found = []
        for path in self.folder.glob(f"[!.]*{SUFFIX}"):
            with suppress(FileNotFoundError):  # another process may have been faster
                found.append((path.stat().st_mtime, path.stat().st_size, path))
        total = 0
        for _, size, path in sorted(found, reverse=True):
            total += size
            if total > self.limit_bytes and path != newest:
                path.unlink(missing_ok=True)


def _read(path: Path, text: str) -> Tensors | None:
    """The arrays of an entry, or None if it is not there, damaged, or follows from something else."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(data[HASH_BYTES:]).digest() != data[:HASH_BYTES]:
        return None
    with np.load(io.BytesIO(data[HASH_BYTES:]), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    described = arrays.pop(DESCRIPTION, None)
    return arrays if described is not None and str(described) == text else None


def _packed(arrays: Tensors) -> bytes:
    """An `.npz` behind the SHA-256 of its bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue()


@cache
def code_version() -> str:
    """A hash of the code that entries follow from: the reference, what is computed here, torch and numpy."""
    hashes = [sha256_of(path) for path in sorted(hashed_files())]
    versions = [version(package) for package in ("torch", "numpy", "scipy", "pyloudnorm", "sentencepiece")]
    return hashlib.sha256(json.dumps([hashes, versions]).encode()).hexdigest()


def hashed_files() -> list[Path]:
    """The modules whose change makes every entry stale."""
    files = [path for path in SOURCES[0].rglob("*.py") if not path.name.startswith("test_")]
    files += [SOURCES[1] / name for name in OWN_MODULES]
    return files + [Path(module.__file__) for module in (rewrites, channels_last) if module.__file__]
