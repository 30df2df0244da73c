"""What a sampler's stops are told in: shares of noise in a mix, or standard deviations of noise added to the clean latent."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from reference.spec.errors import InputError
from reference.spec.sampling.objective import Objective, State

INIT_LEVEL = 0.7  # keeps the outline of init audio
SIGMA_MIN, SIGMA_MAX = 0.3, 500.0  # of the model card of Stable Audio Open 1.0
SIGMA_ENDS = 1e-18, 1e18  # float32 holds their squares; what rules make of wide ones may still be beyond it, which sound shows


class Scale(Protocol):
    """How a sampler counts. Stops are Python floats; a model's levels go from 0 (clean) to 1 (noise alone)."""

    @property
    def usual(self) -> tuple[float, float]:
        """Where the last stop before 0 and the first one are, unless something else is asked for."""
        ...

    @property
    def init_level(self) -> float | None:
        """Where a walk from init audio starts unless something else is asked for; None where there is nothing usual."""
        ...

    def check(self, low: float, high: float, asked: str = "sigma_max") -> None:
        """Raise InputError for bounds nothing can be walked between; `asked` is what the upper one was asked for as."""
        ...

    def level(self, stop: float) -> float:
        """The level the model is told at a stop."""
        ...

    def stop(self, level: float) -> float:
        """The stop at which the model is told a level below 1: `level` backwards."""
        ...

    def start(self, noise: State, init: State | None, high: float, first: float) -> State:
        """The state to walk from, of noise alone or of noise and the latents `init`: `high` is asked for, `first` is the
        stop that came of it."""
        ...

    def alone(self, high: float) -> bool:
        """Whether noise alone can be walked from there, without latents to start from."""
        ...


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Stops are the model's own levels, and the state is what the model takes."""

    objective: Objective
    usual: tuple[float, float] = (0.0, 1.0)
    init_level: float | None = INIT_LEVEL

    def check(self, low: float, high: float, asked: str = "sigma_max") -> None:
        if low != 0:
            raise InputError(f"sigma_min is {low}, but this sampler's last level is 0; leave it out")
        if not 0 <= high <= 1:
            raise InputError(f"{asked} is {high}, expected 0 to 1")

    def level(self, stop: float) -> float:
        return stop

    def stop(self, level: float) -> float:
        return level

    def start(self, noise: State, init: State | None, high: float, first: float) -> State:
        return noise if init is None else self.objective.mixed(init, noise, high)

    def alone(self, high: float) -> bool:
        return high == 1


@dataclass(frozen=True, kw_only=True)
class Sigmas:
    """Stops are standard deviations: the state is clean + stop x noise, the model takes it divided by sqrt(stop^2 + 1).

    Source: Karras et al. 2022, section 2 (variance exploding); the level of the v objective in k-diffusion `external.py`.
    """

    usual: tuple[float, float] = (SIGMA_MIN, SIGMA_MAX)
    init_level: float | None = None

    def check(self, low: float, high: float, asked: str = "sigma_max") -> None:
        if not (math.isfinite(low) and low > 0):
            raise InputError(f"sigma_min is {low}, expected a finite number above 0")
        if not (math.isfinite(high) and high > low):
            raise InputError(f"{asked} is {high}, expected a finite number above sigma_min {low}")
        if not (SIGMA_ENDS[0] <= low and high <= SIGMA_ENDS[1]):
            ends = " to ".join(f"{end:g}" for end in SIGMA_ENDS)
            raise InputError(f"sigmas from {low} to {high} are more than float32 can be walked over, expected {ends} at most")

    def level(self, stop: float) -> float:
        """2 atan(stop) / pi, rounded to float32, which is how it crosses to the model."""
        return float(np.float32(2 * math.atan(stop) / math.pi))

    def stop(self, level: float) -> float:
        return math.tan(math.pi * level / 2)

    def start(self, noise: State, init: State | None, high: float, first: float) -> State:
        scaled = noise * first
        return scaled if init is None else init + scaled

    def alone(self, high: float) -> bool:
        return True
