"""The noise of Arm's audiogen app: `std::mt19937` and `std::normal_distribution<float>`, value for value.

The C++ standard leaves the distribution's algorithm to the library. libstdc++ and libc++ both use Marsaglia's polar
method (Marsaglia and Bray 1964) and hand the two values of a pair out in opposite order. Source of the seeds: Arm
ML-examples, `audiogen/app/audiogen.cpp`; checked against compiled C++ in `reference/test_noise.py`.
"""

import ctypes
import ctypes.util
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import count

import numpy as np

from reference.spec.errors import InputError
from reference.spec.sampling.objective import State

RENOISE_SEED_OFFSET = 4564  # the app seeds draw i + 1 with seed + i + 4564
LARGEST_BELOW_1 = np.nextafter(np.float32(1), np.float32(0))
ACCEPTED_SHARE = 0.75  # of all pairs; pi / 4 fall into the circle


def normals(seed: int, size: int, *, first_is_v: bool, clamp: bool, fused: bool) -> State:
    """The first `size` values of a fresh distribution over a fresh engine, float32 (size,).

    `first_is_v`: the second uniform's value is handed out first (libstdc++). `clamp`: a uniform that rounds up to 1
    is taken below it (libstdc++). `fused`: u * u + v * v with one rounding, as arm64 compilers contract it.
    """
    words = np.random.RandomState(seed % 2**32)
    found: list[State] = []
    while (have := sum(pair.size for pair in found)) < size:
        pairs = int((size - have) / 2 / ACCEPTED_SHARE) + 1
        uniform = np.frombuffer(words.bytes(8 * pairs), "<u4").astype(np.float32) / np.float32(2**32)
        if clamp:
            uniform = np.minimum(uniform, LARGEST_BELOW_1)
        u, v = (np.float32(2) * uniform - np.float32(1)).reshape(-1, 2).T
        square = _sum_of_squares(u, v, fused)
        inside = (square <= 1) & (square != 0)
        u, v, square = u[inside], v[inside], square[inside]
        scale = np.sqrt(np.float32(-2) * _logf(square) / square)
        pair = (v * scale, u * scale) if first_is_v else (u * scale, v * scale)
        found.append(np.stack(pair, axis=1).ravel())
    return np.concatenate(found)[:size]


def _sum_of_squares(u: State, v: State, fused: bool) -> State:
    """u * u + v * v in float32. Fused, only v * v is rounded before the sum (float64 holds u * u exactly)."""
    if not fused:
        return np.asarray(u * u + v * v)
    return np.asarray(u.astype(np.float64) ** 2 + (v * v).astype(np.float64), np.float32)


def _logf(x: State) -> State:
    """libm's `logf`: numpy's float32 logarithm differs from it by up to 3 units in the last place."""
    logf = _libm_logf()
    return np.fromiter((logf(value) for value in x.tolist()), np.float32, count=x.size)


@cache
def _libm_logf() -> Callable[[float], float]:
    library = ctypes.util.find_library("m")
    if library is None:
        raise InputError("no C math library was found, which the audiogen noise needs; use --noise philox or an .npz")
    logf = ctypes.CDLL(library).logf
    logf.argtypes, logf.restype = [ctypes.c_float], ctypes.c_float
    return logf


def _stream(shape: tuple[int, ...], seed: int, *, first_is_v: bool, clamp: bool, fused: bool) -> Iterator[State]:
    """The app's draws: each from an engine and a distribution of its own, filled in memory order."""
    seeds = (seed if index == 0 else seed + index - 1 + RENOISE_SEED_OFFSET for index in count())
    for own in seeds:
        values = normals(own, int(np.prod(shape)), first_is_v=first_is_v, clamp=clamp, fused=fused)
        yield values.reshape(shape)


def beside_encoder(draws: Iterator[State]) -> Iterator[State]:
    """The draws of a run from init audio, zeros for the encoder's: the app's encoder draws inside its file or not at all, and the
    app's own draws, by seed, stay those of the steps."""
    first = next(draws)
    yield first
    yield np.zeros_like(first)
    yield from draws


STREAMS: dict[str, Callable[[tuple[int, ...], int], Iterator[State]]] = {
    "audiogen-libstdcxx": partial(_stream, first_is_v=True, clamp=True, fused=False),
    "audiogen-libcxx": partial(_stream, first_is_v=False, clamp=False, fused=False),
    "audiogen-libcxx-arm64": partial(_stream, first_is_v=False, clamp=False, fused=True),
}
