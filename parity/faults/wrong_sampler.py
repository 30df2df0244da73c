"""A ping-pong sampler that goes wrong in one place, by a share."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from reference.spec.sampling.flow import Step, Velocity
from reference.spec.sampling.objective import State
from reference.spec.sampling.samplers import SamplerSpec


@dataclass(frozen=True, kw_only=True)
class Move:
    """What one step knows: state, velocity, clean estimate, the two levels, the noise drawn."""

    x: State
    v: State
    clean: State
    now: float
    after: float
    drawn: State


@dataclass(frozen=True, kw_only=True)
class WrongSampler(SamplerSpec):
    """`SamplerSpec`, `share` of the way to a wrong schedule, start, step, or level given to the DiT."""

    share: float = 1.0
    schedule: Callable[[SamplerSpec], tuple[float, ...]] | None = None
    step: Callable[[Move], State] | None = None
    level_given: Callable[[float, float], float] | None = None
    begin: Callable[[SamplerSpec, State, State | None], State] | None = None

    def levels(self) -> tuple[float, ...]:
        right = super().levels()
        wrong = right if self.schedule is None else self.schedule(self)
        return tuple(float(self._mixed(one, two)) for one, two in zip(right, wrong, strict=True))

    def start(self, noise: State, init: State | None = None) -> State:
        right = super().start(noise, init)
        return right if self.begin is None else self._mixed(right, self.begin(self, noise, init)).astype(np.float32)

    def walk(self, velocity: Velocity, noise: Iterator[State], x: State) -> Iterator[Step]:
        levels = self.levels()
        for index, (now, after) in enumerate(pairwise(levels)):
            level = now if self.level_given is None else float(self._mixed(now, self.level_given(now, after)))
            v = velocity(x, level)
            clean = self.objective.clean(x, now, v)
            drawn = next(noise)
            following = clean if after == 0 else self.objective.mixed(clean, drawn, after)
            if self.step is not None:
                move = Move(x=x, v=v, clean=clean, now=now, after=after, drawn=drawn)
                following = self._mixed(following, self.step(move)).astype(np.float32)
            yield Step(index=index, level=now, x=x, velocity=v, denoised=clean, following=following)
            x = following

    def _mixed(self, right: Any, wrong: Any) -> Any:
        return wrong if self.share == 1 else right + self.share * (wrong - right)
