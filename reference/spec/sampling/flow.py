"""The update rules of rectified flow.

Only `+ - *` and Python floats touch the state, so the same lines serve numpy and torch. The state is float32 for
every variant, so that two variants fed the same velocities walk bit-identical trajectories.

What level and velocity mean is said by `objective.RectifiedFlow`.
Source: stable-audio-tools `inference/sampling.py` (`sample_rf` and its samplers).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from reference.spec.sampling.objective import FLOW, State

Velocity = Callable[[State, float], State]
Rule = Callable[[Velocity, Iterator[State], State, tuple[float, ...]], Iterator["Step"]]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step: the state `x` at `level` as the model takes it, the velocity there, and the clean latent that velocity points
    to."""

    index: int
    level: float
    x: State
    velocity: State
    denoised: State
    following: State  # the state the next step starts from; after the last step, the latents


def pingpong(velocity: Velocity, noise: Iterator[State], x: State, levels: tuple[float, ...]) -> Iterator[Step]:
    """Jump to the clean estimate, then re-noise to the next level. The last step draws nothing."""
    for index, (now, after) in enumerate(pairwise(levels)):
        v = velocity(x, now)
        clean = FLOW.clean(x, now, v)
        following = clean if after == 0 else FLOW.mixed(clean, next(noise), after)
        yield Step(index=index, level=now, x=x, velocity=v, denoised=clean, following=following)
        x = following


def euler(velocity: Velocity, noise: Iterator[State], x: State, levels: tuple[float, ...]) -> Iterator[Step]:
    """Straight steps along the velocity. Draws nothing."""
    for index, (now, after) in enumerate(pairwise(levels)):
        v = velocity(x, now)
        following = x + (after - now) * v
        yield Step(index=index, level=now, x=x, velocity=v, denoised=FLOW.clean(x, now, v), following=following)
        x = following


def dpmpp(velocity: Velocity, noise: Iterator[State], x: State, levels: tuple[float, ...]) -> Iterator[Step]:
    """DPM-Solver++ (2M) in log-SNR; first and last step are first order. Draws nothing."""
    last_clean, last_h = x, math.inf
    for index, (now, after) in enumerate(pairwise(levels)):
        v = velocity(x, now)
        clean = FLOW.clean(x, now, v)
        h = _logsnr(after) - _logsnr(now)
        aim = clean
        if index > 0 and after > 0:
            lean = 0.5 * h / last_h  # one over twice the ratio of the two step lengths
            aim = (1 + lean) * clean - lean * last_clean
        following = (after / now) * x - (1 - after) * math.expm1(-h) * aim
        yield Step(index=index, level=now, x=x, velocity=v, denoised=clean, following=following)
        x, last_clean, last_h = following, clean, h


def rk4(
    velocity: Velocity, noise: Iterator[State], x: State, levels: tuple[float, ...], *, least: float = 0.0
) -> Iterator[Step]:
    """Classic fourth-order Runge-Kutta: four velocities a step, none asked for below the level `least`. Draws nothing."""
    for index, (now, after) in enumerate(pairwise(levels)):
        dt, middle = after - now, (now + after) / 2
        k1 = velocity(x, now)
        k2 = velocity(x + (dt / 2) * k1, middle)
        k3 = velocity(x + (dt / 2) * k2, middle)
        k4 = velocity(x + dt * k3, max(after, least))
        following = x + (dt / 6) * (k1 + 2 * k2 + 2 * k3 + k4)
        yield Step(index=index, level=now, x=x, velocity=k1, denoised=FLOW.clean(x, now, k1), following=following)
        x = following


def _logsnr(level: float) -> float:
    if level in (0.0, 1.0):
        return math.inf if level == 0.0 else -math.inf
    return math.log((1 - level) / level)
