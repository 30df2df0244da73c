"""Arrays as files, each called by the SHA-256 of what it holds: equal arrays are stored once, a changed one is seen."""

import hashlib
import json
import os
import tokenize
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from reference.spec.errors import InputError
from reference.spec.tensors import Array

Reference = str  # the hash, with `ROUNDED` behind it where a stored float64 array is meant as it crosses between stages
ROUNDED = ":float32"
PLAIN, SQUEEZED = ".npy", ".squeezed"  # as numpy writes it; smaller, without loss
LEVEL = 6  # of zlib: 9 takes ten times as long for a quarter of a per cent
# What reading raises for a file that was cut or changed: a header that is no dict is handed to Python's tokenizer by numpy.
UNREADABLE = (
    OSError, ValueError, EOFError, SyntaxError, TypeError, OverflowError, tokenize.TokenError, MemoryError, zlib.error,
)  # fmt: skip


def hash_of(array: Array) -> str:
    """SHA-256 of dtype, shape and bytes."""
    return hashlib.sha256(f"{array.dtype.str} {array.shape} ".encode() + array.tobytes()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Arrays:
    """A folder of them. `squeeze`: those it keeps from now on take less room, and longer to be written."""

    folder: Path
    squeeze: bool = False
    _rounded: dict[str, Reference] = field(default_factory=dict)  # by hash, float32 arrays that need no file

    def keep(self, array: Array) -> Reference:
        """Store an array unless it is there, or follows from one that is. It is on the disk when this returns."""
        name = hash_of(array)
        if name in self._rounded:
            return self._rounded[name]
        if array.dtype == np.float64:
            self._rounded.setdefault(hash_of(array.astype(np.float32)), name + ROUNDED)
        if not any(path.exists() for path in self._paths(name)):
            self.folder.mkdir(parents=True, exist_ok=True)
            plain, squeezed = self._paths(name)
            _write(squeezed if self.squeeze else plain, array, _squeezed if self.squeeze else _plain)
        return name

    def there(self, reference: Reference) -> bool:
        """Whether there is a file that may hold the array."""
        return any(path.is_file() and path.stat().st_size for path in self._paths(reference.removesuffix(ROUNDED)))

    def require_there(self, reference: Reference) -> None:
        """Raise InputError if there is none."""
        if not self.there(reference):
            path, kinds = self.folder / reference.removesuffix(ROUNDED), f"{PLAIN} or {SQUEEZED}"
            raise InputError(f"{path}: no such file, neither {kinds}, or an empty one; copy the whole folder again")

    def of(self, reference: Reference) -> Array:
        """The array. Raises InputError if it is missing or no longer what it was."""
        name = reference.removesuffix(ROUNDED)
        plain, squeezed = self._paths(name)
        path, read = (squeezed, _read_squeezed) if squeezed.exists() else (plain, _read_plain)
        try:
            array = read(path)
        except UNREADABLE as error:
            if not path.exists():
                self.require_there(reference)
            raise InputError(f"{path}: is no array any more ({error}); copy the whole folder again") from None
        if hash_of(array) != name:
            raise InputError(f"{path}: was changed, its SHA-256 is not the one it is called by; copy the whole folder again")
        return array if reference == name else array.astype(np.float32)

    def _paths(self, name: str) -> tuple[Path, Path]:
        return self.folder / f"{name}{PLAIN}", self.folder / f"{name}{SQUEEZED}"


def _write(path: Path, array: Array, write: Callable[[BinaryIO, Array], None]) -> None:
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as stream:
        write(stream, array)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, path)


def _plain(stream: BinaryIO, array: Array) -> None:
    np.save(stream, array, allow_pickle=False)


def _read_plain(path: Path) -> Array:
    array: Array = np.load(path, allow_pickle=False)
    return array


def _squeezed(stream: BinaryIO, array: Array) -> None:
    """The first bytes of all numbers, then the second ones, and so on: signs and exponents, which are alike, meet."""
    planes = np.frombuffer(array.tobytes(), np.uint8).reshape(-1, array.itemsize).T
    stream.write(json.dumps([array.dtype.str, array.shape]).encode() + b"\n" + zlib.compress(planes.tobytes(), LEVEL))


def _read_squeezed(path: Path) -> Array:
    header, data = path.read_bytes().split(b"\n", 1)
    dtype, shape = json.loads(header)
    planes = np.frombuffer(zlib.decompress(data), np.uint8).reshape(np.dtype(dtype).itemsize, -1)
    array: Array = np.frombuffer(bytearray(planes.T.tobytes()), dtype).reshape(shape)
    return array
