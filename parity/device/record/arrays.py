"""Arrays as files, each called by the SHA-256 of what it holds: equal arrays are stored once, a changed one is seen."""

import hashlib
import os
import tokenize
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from reference.spec.errors import InputError
from reference.spec.tensors import Array

Reference = str  # the hash, with `ROUNDED` behind it where a stored float64 array is meant as it crosses between stages
ROUNDED = ":float32"
# What numpy raises for a file that was cut or changed: a header that is no dict is handed to Python's tokenizer.
UNREADABLE = (OSError, ValueError, EOFError, SyntaxError, tokenize.TokenError, MemoryError)


def hash_of(array: Array) -> str:
    """SHA-256 of dtype, shape and bytes."""
    return hashlib.sha256(f"{array.dtype.str} {array.shape} ".encode() + array.tobytes()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Arrays:
    """A folder of them."""

    folder: Path
    _rounded: dict[str, Reference] = field(default_factory=dict)  # by hash, float32 arrays that need no file

    def keep(self, array: Array) -> Reference:
        """Store an array unless it is there, or follows from one that is. It is on the disk when this returns."""
        name = hash_of(array)
        if name in self._rounded:
            return self._rounded[name]
        if array.dtype == np.float64:
            self._rounded.setdefault(hash_of(array.astype(np.float32)), name + ROUNDED)
        path = self._path(name)
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(path, array)
        return name

    def of(self, reference: Reference) -> Array:
        """The array. Raises InputError if it is missing or no longer what it was."""
        name = reference.removesuffix(ROUNDED)
        path = self._path(name)
        try:
            array: Array = np.load(path, allow_pickle=False)
        except FileNotFoundError:
            raise InputError(f"{path}: no such file, though it was recorded; copy the whole folder again") from None
        except UNREADABLE as error:
            raise InputError(f"{path}: is no array any more ({error}); copy the whole folder again") from None
        if hash_of(array) != name:
            raise InputError(f"{path}: was changed, its SHA-256 is not the one it is called by; copy the whole folder again")
        return array if reference == name else array.astype(np.float32)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npy"


def _write(path: Path, array: Array) -> None:
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)
