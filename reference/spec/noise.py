"""Noise streams: iterators of float32 standard-normal arrays. Randomness is an argument, never a global seed.

A run takes its draws in the order of `draw_names`, which is upstream's.
"""

import zipfile
import zlib
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np

from reference.spec import audiogen
from reference.spec.errors import InputError
from reference.spec.sampling.objective import State
from reference.spec.sampling.samplers import SAMPLERS, SamplerSpec
from reference.spec.tensors import Array, finite_in_float32
from reference.spec.torch_noise import torch_cpu, torch_tree
from reference.spec.trace import at_step

ENCODER_NOISE = "encoder_noise"
UINT32_END = 2**32
MOST_SEED = UINT32_END - 1  # that every stream takes
# What an .npz raises that is empty, cut off, encrypted, compressed by something unknown, or says that it is larger than memory.
UNREADABLE = (OSError, ValueError, EOFError, NotImplementedError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)


def draw_names(*, init_audio: bool) -> Iterator[str]:
    """What a run calls its draws: the start, the VAE encoder's where there is audio to encode, one per re-noising."""
    yield at_step("noise", 0)
    if init_audio:
        yield ENCODER_NOISE
    for index in count(1):
        yield at_step("noise", index)


def philox(shape: tuple[int, ...], seed: int) -> Iterator[State]:
    """numpy's counter-based Philox generator: the same numbers on every platform and in every pipeline."""
    generator = np.random.Generator(np.random.Philox(seed))
    while True:
        yield generator.standard_normal(shape, dtype=np.float32)


def from_file(path: Path, shape: tuple[int, ...], names: Iterator[str]) -> Iterator[State]:
    """The arrays called `names` of an `.npz` file, such as a saved trace. A fully checked replay."""
    stored = _stored(path)
    for name in names:
        if name not in stored:
            raise InputError(f"{path}: array '{name}' is missing; found {len(stored)}, this run needs one more")
        array = stored[name]
        if array.shape != shape or array.dtype != np.float32:
            raise InputError(f"{path}: '{name}' is {array.dtype}{list(array.shape)}, expected float32{list(shape)}")
        if not finite_in_float32(array):
            raise InputError(f"{path}: '{name}' holds NaN or infinity, expected standard normals; write it again")
        yield array


def _stored(path: Path) -> dict[str, Array]:
    """The noise of an `.npz` file, whatever its shapes. Raises InputError for anything else: numpy, zipfile and zlib tell what is
    wrong with one in a dozen ways, or answer with what lies in it."""
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream):  # numpy takes other files too, by their first bytes
            pass
        with np.load(path, allow_pickle=False) as arrays:
            stored = {name: arrays[name] for name in arrays.files if name.startswith("noise_") or name == ENCODER_NOISE}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected an .npz with noise_0, noise_1, ...") from None
    except UNREADABLE as error:
        raise InputError(f"{path}: not a readable .npz file ({error}); expected arrays noise_0, noise_1, ...") from None
    for name, array in stored.items():
        if not isinstance(array, np.ndarray):
            raise InputError(f"{path}: '{name}' is no array of numpy's; expected an .npz with arrays noise_0, noise_1, ...")
    return stored


STREAMS: dict[str, Callable[[tuple[int, ...], int], Iterator[State]]] = {
    "philox": philox,
    "torch": torch_cpu,
    **audiogen.STREAMS,
}
TORCH_TREE = "torch-tree"
NOISES = (*STREAMS, TORCH_TREE)
IN_TREES = tuple(name for name, sampler in SAMPLERS.items() if sampler.in_tree)


def open_noise(
    kind: str, shape: tuple[int, ...], seed: int, *, init_audio: bool = False, sampler: SamplerSpec | None = None
) -> Iterator[State]:
    """A stream by its command-line name: one of `NOISES`, or the path of an `.npz` file.

    Raises InputError for an unknown one, a seed out of range, and for `TORCH_TREE` where `sampler` has no such tree.
    """
    if kind in NOISES and not 0 <= seed < UINT32_END:
        raise InputError(f"seed is {seed}, expected 0 to {MOST_SEED}")
    if kind in STREAMS:
        draws = STREAMS[kind](shape, seed)
        return audiogen.beside_encoder(draws) if init_audio and kind in audiogen.STREAMS else draws
    if kind == TORCH_TREE:
        return _tree(shape, seed, init_audio, sampler)
    if kind.endswith(".npz"):
        return from_file(Path(kind), shape, draw_names(init_audio=init_audio))
    raise InputError(f"noise '{kind}' is unknown; valid: {', '.join(NOISES)}, or the path of an .npz file")


def _tree(shape: tuple[int, ...], seed: int, init_audio: bool, sampler: SamplerSpec | None) -> Iterator[State]:
    if sampler is None or not sampler.in_tree:
        told = "no sampler was given" if sampler is None else f"not of '{sampler.name}'"
        raise InputError(f"noise '{TORCH_TREE}' is upstream's of {', '.join(IN_TREES)}, {told}; take 'torch' for others")
    return torch_tree(shape, seed, sampler.stops(), before=2 if init_audio else 1)
