"""The samplers both pipelines run, by name, and how one generation uses one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from reference.spec.errors import InputError
from reference.spec.sampling.flow import Rule, Step, Velocity, dpmpp, euler, pingpong, rk4
from reference.spec.sampling.objective import FLOW, Objective, State
from reference.spec.sampling.schedule import LevelShift, linear_levels, logsnr_levels


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """An update rule, its schedule, whether it draws fresh noise between steps, whether a model's shift moves it.

    `objective` is what the rule takes the model's outputs for.
    """

    rule: Rule
    schedule: Callable[[int, float], tuple[float, ...]]
    renoises: bool = False
    shifts: bool = False
    objective: Objective = FLOW


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
    def objective(self) -> Objective:
        """What the sampler takes the model's outputs for."""
        return SAMPLERS[self.name].objective

    @property
    def draws(self) -> int:
        """How many noise arrays one run takes, the starting noise included."""
        return self.steps if SAMPLERS[self.name].renoises and self.sigma_max else 1

    def start(self, noise: State, init: State | None = None) -> State:
        """The state to walk from: noise, or with latents `init` (audio-to-audio) their mix at `sigma_max`."""
        return self.objective.start(noise, init, self.sigma_max)

    def walk(self, velocity: Velocity, noise: Iterator[State], x: State) -> Iterator[Step]:
        """Run the sampler from `x`, one Step at a time. `velocity(x, level)` gives float32 like x.

        At `sigma_max` 0 there is no noise to remove, and no step is made.
        """
        return SAMPLERS[self.name].rule(velocity, noise, x, self.levels()) if self.sigma_max else iter(())
