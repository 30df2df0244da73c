"""Noise streams: iterators of float32 standard-normal arrays. Randomness is an argument, never a global seed."""

import zipfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np

from reference.spec.errors import InputError
from reference.spec.sampler import State

STREAMS = ("philox",)


def philox(shape: tuple[int, ...], seed: int) -> Iterator[State]:
    """numpy's counter-based Philox generator: the same numbers on every platform and in every pipeline."""
    generator = np.random.Generator(np.random.Philox(seed))
    while True:
        yield generator.standard_normal(shape, dtype=np.float32)


def from_file(path: Path, shape: tuple[int, ...]) -> Iterator[State]:
    """The arrays `noise_0`, `noise_1`, ... of an `.npz` file, such as a saved trace. A fully checked replay."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            stored = {name: arrays[name] for name in arrays.files if name.startswith("noise_")}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected an .npz with noise_0, noise_1, ...") from None
    except (OSError, ValueError, zipfile.BadZipFile, AttributeError) as error:
        raise InputError(f"{path}: not a readable .npz file ({error}); expected arrays noise_0, noise_1, ...") from None
    for index in count():
        name = f"noise_{index}"
        if name not in stored:
            raise InputError(f"{path}: array '{name}' is missing; found {len(stored)}, this run needs one more")
        array = stored[name]
        if array.shape != shape or array.dtype != np.float32:
            raise InputError(f"{path}: '{name}' is {array.dtype}{list(array.shape)}, expected float32{list(shape)}")
        yield array


def open_noise(kind: str, shape: tuple[int, ...], seed: int) -> Iterator[State]:
    """A stream by its command-line name: one of `STREAMS`, or the path of an `.npz` file."""
    if kind == "philox":
        if seed < 0:
            raise InputError(f"seed is {seed}, expected 0 or more")
        return philox(shape, seed)
    if kind.endswith(".npz"):
        return from_file(Path(kind), shape)
    raise InputError(f"noise '{kind}' is unknown; valid: {', '.join(STREAMS)}, or the path of an .npz file")
