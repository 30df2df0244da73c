"""Latents in .npy files of (latent channel, frame), as Stable Audio 3's documentation stores them, a part at a time.

Parts are read and written, not mapped into memory: what is mapped counts as this process's, and grows with the file.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib import format as npy

from reference.spec.codec.latents import check_finite, check_form
from reference.spec.codec.shape import CodecShape
from reference.spec.errors import InputError
from reference.spec.files import new_file
from reference.spec.tensors import Array

BLOCK_FRAMES = 1024  # looked through at a time
Append = Callable[[Array], None]
FLOAT32 = np.dtype("<f4")


@dataclass(frozen=True, kw_only=True)
class LatentsFile:
    """Where in a .npy file which latents are: from byte `offset` on channel by channel, or frame by frame."""

    path: Path
    channels: int
    frames: int
    dtype: np.dtype[Any]
    offset: int
    by_frame: bool

    def read(self, start: int, stop: int) -> Array:
        """(1, latent channel, frame), as they are stored. Raises InputError for a file that has been cut off."""
        stop = min(stop, self.frames)
        with self.path.open("rb") as stream:
            if self.by_frame:
                (found,) = self._runs(stream, [start * self.channels], (stop - start) * self.channels)
                return found.reshape(stop - start, self.channels).T[None]
            firsts = [channel * self.frames + start for channel in range(self.channels)]
            return np.stack(list(self._runs(stream, firsts, stop - start)))[None]

    def _runs(self, stream: Any, firsts: list[int], count: int) -> Iterator[Array]:
        for first in firsts:
            stream.seek(self.offset + first * self.dtype.itemsize)
            run = np.fromfile(stream, self.dtype, count)
            if run.size != count:
                raise InputError(f"{self.path}: ends before its header says; it may be truncated, write it again")
            yield run


def open_latents(path: Path, shape: CodecShape) -> LatentsFile:
    """The latents of one sound. Raises InputError for a file that is none, that is cut off, or of another model, and for latents
    that are not finite."""
    try:
        with path.open("rb") as stream:
            axes, by_frame, dtype = _header(stream)
            offset = stream.tell()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected latents in a .npy file") from None
    except (OSError, ValueError, EOFError, SyntaxError, TokenError) as error:  # numpy reads a header as Python
        raise InputError(f"{path}: not a readable .npy file ({error}); expected latents") from None
    with _naming(path):
        check_form(dtype, axes, shape)
    if axes[:-2] not in ((), (1,)):
        raise InputError(f"{path}: holds {axes[0]} items, expected one; save them apart")
    found = LatentsFile(path=path, channels=axes[-2], frames=axes[-1], dtype=dtype, offset=offset, by_frame=by_frame)
    for start in range(0, found.frames, BLOCK_FRAMES):
        part = found.read(start, start + BLOCK_FRAMES)
        with _naming(path):
            check_finite(part)
    return found


def read_latents(path: Path, shape: CodecShape) -> Array:
    """All of them, (1, latent channel, frame). Raises InputError as `open_latents`."""
    found = open_latents(path, shape)
    return found.read(0, found.frames)


@contextmanager
def new_latents(path: Path, channels: int, frames: int, force: bool = False) -> Iterator[Append]:
    """A .npy file to be of float32 (latent channel, frame), written in pieces; nothing is left of it if the block ends badly."""
    with new_file(path, force) as temporary, temporary.open("wb") as stream:
        npy.write_array_header_1_0(stream, {"descr": FLOAT32.str, "fortran_order": False, "shape": (channels, frames)})
        offset, done = stream.tell(), 0
        stream.truncate(offset + channels * frames * FLOAT32.itemsize)

        def append(piece: Array) -> None:
            nonlocal done
            for channel, run in enumerate(np.ascontiguousarray(piece, FLOAT32)):
                stream.seek(offset + (channel * frames + done) * FLOAT32.itemsize)
                stream.write(run.data)
            done += piece.shape[1]

        yield append


def write_latents(path: Path, latents: Array, force: bool = False) -> None:
    """Write (latent channel, frame) latents as float32."""
    channels, frames = latents.shape
    with new_latents(path, channels, frames, force) as append:
        append(latents)


def _header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Axes, whether the first of them varies fastest, and type; the stream is where the numbers begin."""
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    version = npy.read_magic(stream)
    if version not in readers:
        raise ValueError(f"its version is {version[0]}.{version[1]}")
    axes, by_first, dtype = readers[version](stream)
    return axes, by_first, dtype


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """What is said of latents is said of those in a file."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
