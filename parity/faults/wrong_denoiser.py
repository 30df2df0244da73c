"""A sampler of the v objective that asks the model wrongly, or takes its answers for something else, by a share."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from reference.spec.sampling.flow import Step, Velocity
from reference.spec.sampling.objective import State
from reference.spec.sampling.samplers import SamplerSpec


@dataclass(frozen=True, kw_only=True)
class WrongDenoiser(SamplerSpec):
    """`SamplerSpec` whose model is `told` another level and whose answer is `taken`, given what the model saw, for another."""

    share: float = 1.0
    told: Callable[[float], float] | None = None
    taken: Callable[[State, float, State], State] | None = None

    def walk(self, velocity: Velocity, noise: Iterator[State], x: State) -> Iterator[Step]:
        def wrong(x: State, level: float) -> State:
            at = level if self.told is None else level + self.share * (self.told(level) - level)
            v = velocity(x, at)
            if self.taken is None:
                return v
            moved: State = (v + self.share * (self.taken(x, level, v) - v)).astype(np.float32)
            return moved

        return super().walk(wrong, noise, x)
