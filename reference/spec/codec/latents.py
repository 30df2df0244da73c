"""Latents checked, and as files: .npy of float32 (latent channel, frame), as Stable Audio 3's documentation stores them."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from reference.spec.codec.shape import CodecShape
from reference.spec.errors import InputError
from reference.spec.files import new_file
from reference.spec.tensors import Array


def checked_latents(latents: Any, shape: CodecShape) -> Array:
    """Latents as (item, latent channel, frame), from that or from (latent channel, frame). Raises InputError if they are not."""
    if not isinstance(latents, np.ndarray):
        raise InputError(f"latents are {type(latents).__name__}, expected a numpy array")
    channels = shape.latent_channels
    expected = f"expected (item, {channels}, frame) or ({channels}, frame)"
    if latents.dtype.kind != "f":
        raise InputError(f"latents are {latents.dtype}, expected floats")
    if latents.ndim not in (2, 3) or latents.shape[-2] != channels:
        turned = latents.ndim in (2, 3) and latents.shape[-1] == channels
        raise InputError(f"latents have shape {list(latents.shape)}, {expected}{'; transpose them' if turned else ''}")
    if not latents.size:
        raise InputError(f"latents have shape {list(latents.shape)} and hold nothing; {expected}")
    if not np.isfinite(latents).all():
        raise InputError("latents hold NaN or infinity, expected finite values")
    return latents if latents.ndim == 3 else latents[None]


@contextmanager
def new_latents(path: Path, channels: int, frames: int, force: bool = False) -> Iterator[Array]:
    """A .npy file to be of float32 (latent channel, frame), as an array to fill; nothing is left if the block ends badly."""
    with new_file(path, force) as temporary:
        stored = np.lib.format.open_memmap(temporary, "w+", np.float32, (channels, frames))
        yield stored
        stored.flush()


def write_latents(path: Path, latents: Array, force: bool = False) -> None:
    """Write (latent channel, frame) latents as float32."""
    channels, frames = latents.shape
    with new_latents(path, channels, frames, force) as stored:
        stored[:] = latents


def read_latents(path: Path, shape: CodecShape) -> Array:
    """Latents (1, latent channel, frame) of a .npy file. Raises InputError for a file that is none, or of another model."""
    try:
        with path.open("rb") as stream:  # numpy would leave a broken archive open
            latents = np.load(stream, allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected latents in a .npy file") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a readable .npy file ({error}); expected latents") from None
    try:
        checked = checked_latents(latents, shape)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if checked.shape[0] != 1:
        raise InputError(f"{path}: holds {checked.shape[0]} items, expected one; save them apart")
    return checked
