"""The sampler both pipelines run: levels (the schedule) and update rules.

Only `+ - *` and Python floats touch the state, so the same lines serve numpy and torch. The state is float32 for
every variant, so that two variants fed the same velocities walk bit-identical trajectories.

A level t is the share of noise: x = (1 - t) * clean + t * noise, velocity v = noise - clean.
Source of schedule and rules: stable-audio-tools `inference/sampling.py` (`sample_rf` and its samplers).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.spec.errors import InputError

State = NDArray[Any]  # float32; a torch tensor will do as well
Velocity = Callable[[State, float], State]
Rule = Callable[[Velocity, Iterator[State], State, tuple[float, ...]], Iterator["Step"]]

LOGSNR_NOISE, LOGSNR_CLEAN = -6.0, 2.0  # log signal-to-noise ratio where the schedule starts and ends
MIN_LOGSNR_SPAN = 0.1  # between start and end; 100 steps stay apart in float32
EXP2_BITS = 5  # expf looks 2**(i / 32) up
EXP2_TABLE = np.array([2.0 ** (i / 2**EXP2_BITS) for i in range(2**EXP2_BITS)])
EXP2_CUBIC = tuple(float.fromhex(c) for c in ("0x1.c6af84b912394p-5", "0x1.ebfce50fac4f3p-3", "0x1.62e42ff0c52d6p-1"))


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step: the state `x` at `level`, the velocity there, and the clean latent that velocity points to."""

    index: int
    level: float
    x: State
    velocity: State
    denoised: State
    following: State  # the state the next step starts from; after the last step, the latents


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


def _linspace(start: float, end: float, count: int) -> State:
    """float32 linspace as torch computes it: from both ends towards the middle, each point with one rounding."""
    first, last = np.float32(start), np.float32(end)
    step = np.float64((last - first) / np.float32(count - 1))
    index = np.arange(count)
    up, down = np.float64(first) + step * index, np.float64(last) - step * (count - 1 - index)
    return np.where(index < count // 2, up, down).astype(np.float32)


def pingpong(velocity: Velocity, noise: Iterator[State], x: State, levels: tuple[float, ...]) -> Iterator[Step]:
    """Jump to the clean estimate, then re-noise to the next level. The last step draws nothing."""
    for index, (now, after) in enumerate(pairwise(levels)):
        v = velocity(x, now)
        clean = x - now * v
        following = clean if after == 0 else (1 - after) * clean + after * next(noise)
        yield Step(index=index, level=now, x=x, velocity=v, denoised=clean, following=following)
        x = following


def euler(velocity: Velocity, noise: Iterator[State], x: State, levels: tuple[float, ...]) -> Iterator[Step]:
    """Straight steps along the velocity. Draws nothing."""
    for index, (now, after) in enumerate(pairwise(levels)):
        v = velocity(x, now)
        following = x + (after - now) * v
        yield Step(index=index, level=now, x=x, velocity=v, denoised=x - now * v, following=following)
        x = following


def dpmpp(velocity: Velocity, noise: Iterator[State], x: State, levels: tuple[float, ...]) -> Iterator[Step]:
    """DPM-Solver++ (2M) in log-SNR; first and last step are first order. Draws nothing."""
    last_clean, last_h = x, math.inf
    for index, (now, after) in enumerate(pairwise(levels)):
        v = velocity(x, now)
        clean = x - now * v
        h = _logsnr(after) - _logsnr(now)
        aim = clean
        if index > 0 and after > 0:
            lean = 0.5 * h / last_h  # one over twice the ratio of the two step lengths
            aim = (1 + lean) * clean - lean * last_clean
        following = (after / now) * x - (1 - after) * math.expm1(-h) * aim
        yield Step(index=index, level=now, x=x, velocity=v, denoised=clean, following=following)
        x, last_clean, last_h = following, clean, h


def rk4(velocity: Velocity, noise: Iterator[State], x: State, levels: tuple[float, ...]) -> Iterator[Step]:
    """Classic fourth-order Runge-Kutta: four velocities a step. Draws nothing."""
    for index, (now, after) in enumerate(pairwise(levels)):
        dt, middle = after - now, (now + after) / 2
        k1 = velocity(x, now)
        k2 = velocity(x + (dt / 2) * k1, middle)
        k3 = velocity(x + (dt / 2) * k2, middle)
        k4 = velocity(x + dt * k3, after)
        following = x + (dt / 6) * (k1 + 2 * k2 + 2 * k3 + k4)
        yield Step(index=index, level=now, x=x, velocity=k1, denoised=x - now * k1, following=following)
        x = following


def _logsnr(level: float) -> float:
    if level in (0.0, 1.0):
        return math.inf if level == 0.0 else -math.inf
    return math.log((1 - level) / level)


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """An update rule, its schedule, whether it draws fresh noise between steps, whether a model's shift moves it."""

    rule: Rule
    schedule: Callable[[int, float], tuple[float, ...]]
    renoises: bool = False
    shifts: bool = False


SAMPLERS = {
    "pingpong": Sampler(rule=pingpong, schedule=logsnr_levels, renoises=True),
    "euler": Sampler(rule=euler, schedule=logsnr_levels),
    "dpmpp": Sampler(rule=dpmpp, schedule=logsnr_levels),
    "rk4": Sampler(rule=rk4, schedule=linear_levels, shifts=True),
}


@dataclass(frozen=True, kw_only=True)
class SamplerSpec:
    """Which sampler, how many steps, the level to start from (1 is pure noise), and the model's own shift if any."""

    name: str = "pingpong"
    steps: int = 8
    sigma_max: float = 1.0
    shift: LevelShift | None = None

    def __post_init__(self) -> None:
        if self.name not in SAMPLERS:
            raise InputError(f"sampler '{self.name}' is unknown; valid samplers: {', '.join(SAMPLERS)}")
        if self.steps < 1:
            raise InputError(f"steps is {self.steps}, expected at least 1")
        if not 0 <= self.sigma_max <= 1:
            raise InputError(f"sigma_max is {self.sigma_max}, expected 0 to 1")

    def levels(self) -> tuple[float, ...]:
        """`steps + 1` levels, strictly falling from `sigma_max` to exactly 0; all 0 where `sigma_max` is."""
        sampler = SAMPLERS[self.name]
        levels = sampler.schedule(self.steps, self.sigma_max)
        return self.shift(levels) if self.shift and sampler.shifts else levels

    @property
    def draws(self) -> int:
        """How many noise arrays one run takes, the starting noise included."""
        return self.steps if SAMPLERS[self.name].renoises and self.sigma_max else 1

    def start(self, noise: State, init: State | None = None) -> State:
        """The state to walk from: noise, or with latents `init` (audio-to-audio) their mix at `sigma_max`."""
        return noise if init is None else init * (1 - self.sigma_max) + noise * self.sigma_max

    def walk(self, velocity: Velocity, noise: Iterator[State], x: State) -> Iterator[Step]:
        """Run the sampler from `x`, one Step at a time. `velocity(x, level)` gives float32 like x.

        At `sigma_max` 0 there is no noise to remove, and no step is made.
        """
        return SAMPLERS[self.name].rule(velocity, noise, x, self.levels()) if self.sigma_max else iter(())
