"""Levels: at which shares of noise a sampler stops on its way from noise to clean.

Source: stable-audio-tools `inference/sampling.py` and `DistributionShift`.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from reference.spec.errors import InputError
from reference.spec.sampling.objective import State

LOGSNR_NOISE, LOGSNR_CLEAN = -6.0, 2.0  # log signal-to-noise ratio where the schedule starts and ends
SHIFTED_LOGSNR_NOISE = -6.2  # where newer upstream starts
MIN_LOGSNR_SPAN = 0.1  # between start and end; 100 steps stay apart in float32
EXP2_BITS = 5  # expf looks 2**(i / 32) up
EXP2_TABLE = np.array([2.0 ** (i / 2**EXP2_BITS) for i in range(2**EXP2_BITS)])
EXP2_CUBIC = tuple(float.fromhex(c) for c in ("0x1.c6af84b912394p-5", "0x1.ebfce50fac4f3p-3", "0x1.62e42ff0c52d6p-1"))


def logsnr_levels(steps: int, sigma_max: float) -> tuple[float, ...]:
    """`steps + 1` levels from `sigma_max` to 0, uniform in log-SNR, rounded to float32 where upstream rounds.

    Below sigma_max = 1 the walk starts at that level's own log-SNR, so that it is monotone and bounded by it. From
    sigma_max = 0.13 downwards that start lies beyond upstream's end and upstream's levels rise; ours end further out.
    """
    if sigma_max == 0:
        return (0.0,) * (steps + 1)
    start = LOGSNR_NOISE if sigma_max == 1 else math.log((1 - sigma_max) / sigma_max + 1e-6)
    logsnr = _linspace(start, max(LOGSNR_CLEAN, start + MIN_LOGSNR_SPAN), steps + 1)
    inner = (np.float32(1) / (np.float32(1) + _expf(logsnr)))[1:-1]
    return (float(np.float32(sigma_max)), *(float(level) for level in inner), 0.0)


def shifted_levels(steps: int, sigma_max: float) -> tuple[float, ...]:
    """`steps + 1` levels from `sigma_max` to 0, of linear ones the log-SNR: what newer upstream's `LogSNRShift` makes of
    every flow model without options of its own. Endpoints are kept.

    Source: stable-audio-tools 0.0.20 `inference/sampling.py` (`build_schedule`), rate 0.
    Raises InputError where upstream's second level is above its first, which it is wherever the walk starts well below 1:
    it shifts all levels but the first.
    """
    linear = _linspace(sigma_max, 0.0, steps + 1)
    end, span = np.float32(LOGSNR_CLEAN), np.float32(LOGSNR_CLEAN - SHIFTED_LOGSNR_NOISE)
    moved = np.float32(1) / (np.float32(1) + _expf(end - linear * span))
    levels = (float(np.float32(sigma_max)), *(float(level) for level in moved[1:-1]), 0.0)
    if sigma_max and any(now <= after for now, after in pairwise(levels)):
        raise InputError(
            f"newer stable-audio-tools goes up from sigma_max {sigma_max} before it goes down, {steps} steps start at "
            f"{levels[1]:.3g}; follow stable-audio-tools-0.0.19 for init audio"
        )
    return levels if sigma_max else (0.0,) * (steps + 1)


def _expf(x: State) -> State:
    """expf of float32 arrays bit for bit as glibc, musl and Android compute it (Arm Optimized Routines).

    x = (k + r) ln 2 / 32 with k whole; 2**(k / 32) from a table, 2**(r / 32) from a cubic, all in float64. So the
    levels are the same on every machine, and those of torch's scalar sigmoid and of the audiogen app.
    """
    size = 2**EXP2_BITS
    c3, c2, c1 = (c / size**power for c, power in zip(EXP2_CUBIC, (3, 2, 1), strict=True))
    scaled = x.astype(np.float64) * (size / math.log(2))
    whole = np.rint(scaled)
    rest, k = scaled - whole, whole.astype(np.int64)
    power = np.ldexp(EXP2_TABLE[k % size], k // size)
    exp: State = (((c3 * rest + c2) * (rest * rest) + (c1 * rest + 1)) * power).astype(np.float32)
    return exp


@dataclass(frozen=True, kw_only=True)
class LevelShift:
    """Moves linear levels towards noise, the more the longer the latents (`DistributionShift` upstream).

    A training option that reaches inference in one place: upstream hands it to the sampler with linear levels.
    """

    mu: float
    sine: bool

    def __call__(self, levels: tuple[float, ...]) -> tuple[float, ...]:
        """The levels moved, in float32 as upstream; 0 stays 0 and 1 stays 1."""
        t = np.array(levels, np.float32)
        with np.errstate(divide="ignore"):
            odds = np.float32(1) / (np.float32(1) - t) - np.float32(1)
        pull = np.float32(math.exp(self.mu))
        moved = np.float32(1) - pull / (pull + odds)
        return tuple(float(level) for level in (np.sin(moved * np.float32(math.pi / 2)) if self.sine else moved))


def linear_levels(steps: int, sigma_max: float) -> tuple[float, ...]:
    """`steps + 1` levels from `sigma_max` to 0, uniform in level (what upstream gives rk4)."""
    return tuple(float(level) for level in _linspace(sigma_max, 0.0, steps + 1))


def sigma_stops(steps: int, sigma_min: float, sigma_max: float) -> tuple[float, ...]:
    """`steps` sigmas from `sigma_max` to `sigma_min`, uniform in ln sigma, then 0; rounded to float32 where upstream rounds.

    Source: k-diffusion `sampling.py` (`get_sigmas_polyexponential`, rho 1). The exponential is correctly rounded, which
    that of torch's vectors is not always: known gaps have an example.
    Raises InputError where so many do not stay apart in float32.
    """
    ramp = _linspace(1.0, 0.0, steps) if steps > 1 else np.ones(1, np.float32)
    span, least = (np.float32(value) for value in (math.log(sigma_max) - math.log(sigma_min), math.log(sigma_min)))
    sigmas = [float(np.float32(math.exp(exponent))) for exponent in (ramp * span + least).tolist()]
    if any(now <= after for now, after in pairwise(sigmas)):
        raise InputError(
            f"{steps} steps from sigma {sigma_max} to {sigma_min} do not stay apart in float32; ask for fewer or a wider range"
        )
    return (*sigmas, 0.0)


def _linspace(start: float, end: float, count: int) -> State:
    """float32 linspace as torch computes it: from both ends towards the middle, each point with one rounding."""
    first, last = np.float32(start), np.float32(end)
    step = np.float64((last - first) / np.float32(count - 1))
    index = np.arange(count)
    up, down = np.float64(first) + step * index, np.float64(last) - step * (count - 1 - index)
    return np.where(index < count // 2, up, down).astype(np.float32)
