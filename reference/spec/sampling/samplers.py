"""The samplers both pipelines run, by name, and how one generation uses one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from reference.spec.errors import InputError
from reference.spec.sampling import vdiff
from reference.spec.sampling.flow import Rule, Step, Velocity, dpmpp, euler, pingpong, rk4
from reference.spec.sampling.objective import FLOW, Objective, State, V
from reference.spec.sampling.releases import V0_0_19, V0_0_20, Release
from reference.spec.sampling.scale import Scale, Shares
from reference.spec.sampling.schedule import LevelShift, linear_levels, logsnr_levels, shifted_levels, sigma_stops


@dataclass(frozen=True, kw_only=True)
class Usual:
    """What a model of an objective is mostly run with: by its makers' cards and scripts.

    `few_steps` are as many as there is time for where every step is looked at; their levels are among those of `steps`.
    """

    steps: int
    few_steps: int
    cfg_scale: float


LEVELS, V_LEVELS = Shares(objective=FLOW), Shares(objective=V)
MOST_STEPS = 100_000  # all different in float32, with every sampler; of a million levels 865,015 to all are
DISTILLED = Usual(steps=8, few_steps=8, cfg_scale=1.0)
GUIDED = Usual(steps=100, few_steps=4, cfg_scale=7.0)


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """An update rule, its schedule, whether it draws fresh noise between steps, whether a model's shift moves it.

    `objective` is what the rule takes the model's outputs for, `scale` what its stops are told in. `schedule` takes the
    steps, the last stop before 0 and the first. `in_tree`: upstream draws its noise from a Brownian tree over sigma.
    `newer` is what it is in `V0_0_20` where that is something else.
    """

    rule: Rule
    schedule: Callable[[int, float, float], tuple[float, ...]]
    renoises: bool = False
    shifts: bool = False
    in_tree: bool = False
    least_steps: int = 1
    objective: Objective = FLOW
    scale: Scale = LEVELS
    usual: Usual = DISTILLED
    newer: "Sampler | None" = None


def _linear(steps: int, low: float, high: float) -> tuple[float, ...]:
    return linear_levels(steps, high)


def _logsnr(steps: int, low: float, high: float) -> tuple[float, ...]:
    return logsnr_levels(steps, high)


def _shifted(steps: int, low: float, high: float) -> tuple[float, ...]:
    return shifted_levels(steps, high)


def _flow(rule: Rule, *, renoises: bool = False) -> Sampler:
    newer = Sampler(rule=rule, schedule=_shifted, renoises=renoises)
    return Sampler(rule=rule, schedule=_logsnr, renoises=renoises, newer=newer)


def _over_sigmas(rule: Rule, *, renoises: bool = False) -> Sampler:
    return Sampler(
        rule=rule, schedule=sigma_stops, renoises=renoises, objective=V, scale=vdiff.SIGMAS, usual=GUIDED
    )


def _sde(rule: Rule) -> Sampler:
    """Upstream's fails on one step, which has no length to remember."""
    return Sampler(
        rule=rule, schedule=sigma_stops, renoises=True, in_tree=True, least_steps=2, objective=V, scale=vdiff.SIGMAS,
        usual=GUIDED,
    )  # fmt: skip


SAMPLERS = {
    "pingpong": _flow(pingpong, renoises=True),
    "euler": _flow(euler),
    "dpmpp": _flow(dpmpp),
    "rk4": Sampler(
        rule=rk4, schedule=_linear, shifts=True, newer=Sampler(rule=partial(rk4, least=1e-5), schedule=_shifted)
    ),
    "dpmpp-3m-sde": _sde(vdiff.dpmpp_3m_sde),
    "dpmpp-2m-sde": _sde(vdiff.dpmpp_2m_sde),
    "dpmpp-2m": _over_sigmas(vdiff.dpmpp_2m),
    "v-ddim": Sampler(rule=vdiff.ddim, schedule=_linear, objective=V, scale=V_LEVELS, usual=GUIDED),
    "k-heun": _over_sigmas(vdiff.heun),
    "k-dpm-2": _over_sigmas(vdiff.dpm_2),
    "k-dpmpp-2s-ancestral": _over_sigmas(vdiff.dpmpp_2s_ancestral, renoises=True),
}
NOT_OFFERED = {  # of stable-audio-tools for v models, and why
    "k-lms": "its coefficients are integrated numerically to 1e-4, so no two programs agree on them",
    "k-dpm-fast": "it stops at sigma_min and leaves that noise in the latents",
    "k-dpm-adaptive": "it chooses its own steps by the model's errors and stops at sigma_min",
    "v-ddim-cfgpp": "it needs the unguided velocity in its update rule",
}


def sampler_called(name: str) -> Sampler:
    """A row of the table. Raises InputError for an unknown one, and for one of upstream's that is not offered."""
    flow, v = (", ".join(fitting(tuple(SAMPLERS), objective)) for objective in (FLOW, V))
    if name in NOT_OFFERED:
        why = NOT_OFFERED[name]
        raise InputError(f"sampler '{name}' of stable-audio-tools is not offered, {why}; valid samplers of v models: {v}")
    if name not in SAMPLERS:
        raise InputError(f"sampler '{name}' is unknown; valid samplers of flow models: {flow}; of v models: {v}")
    return SAMPLERS[name]


def init_level(name: str, asked: float | None, sigma_min: float | None) -> float:
    """Where a walk from init audio starts, in the sampler's scale: what is asked for, or the usual. Raises InputError where
    there is nothing usual, and for a level that nothing can be walked from."""
    scale = sampler_called(name).scale
    level = scale.init_level if asked is None else asked
    if level is None:
        raise InputError(f"sampler '{name}' starts from init audio at a sigma; say which with --init-noise-level")
    scale.check(scale.usual[0] if sigma_min is None else sigma_min, level, "init_noise_level")
    return level


@dataclass(frozen=True, kw_only=True)
class SamplerSpec:
    """Which sampler, how many steps, between which stops of its own scale, the model's own shift if any, and which state of
    upstream it follows.

    `sigma_max` is where it starts, `sigma_min` its last stop before 0; None is the scale's usual. For samplers over shares
    of noise `sigma_max` is a level from 0 to 1 (pure noise) and there is no `sigma_min`.
    """

    name: str = "pingpong"
    steps: int = 8
    sigma_max: float | None = None
    sigma_min: float | None = None
    shift: LevelShift | None = None
    release: Release = V0_0_19

    def __post_init__(self) -> None:
        least = self._sampler.least_steps
        if self.steps < least:
            told = "" if least == 1 else f" of sampler '{self.name}'"
            raise InputError(f"steps is {self.steps}, expected at least {least}{told}")
        if self.steps > MOST_STEPS:
            beyond = "with more, float32 tells a level from the next no longer"
            raise InputError(f"steps is {self.steps}, expected at most {MOST_STEPS}: {beyond}")
        self._sampler.scale.check(self.lowest, self.highest)

    @property
    def usual(self) -> Usual:
        """What it is mostly run with."""
        return self._sampler.usual

    @property
    def _sampler(self) -> Sampler:
        sampler = sampler_called(self.name)
        return sampler.newer if self.release == V0_0_20 and sampler.newer is not None else sampler

    @property
    def lowest(self) -> float:
        """The last stop before 0 that is asked for, in the sampler's scale."""
        return self._sampler.scale.usual[0] if self.sigma_min is None else self.sigma_min

    @property
    def highest(self) -> float:
        """The first one."""
        return self._sampler.scale.usual[1] if self.sigma_max is None else self.sigma_max

    @property
    def alone(self) -> bool:
        """Whether it can start from noise alone."""
        return self._sampler.scale.alone(self.highest)

    def stops(self) -> tuple[float, ...]:
        """`steps + 1` stops in the sampler's scale, strictly falling to exactly 0; all 0 where `highest` is."""
        stops = self._sampler.schedule(self.steps, self.lowest, self.highest)
        return self.shift(stops) if self.shift and self._sampler.shifts else stops

    def levels(self) -> tuple[float, ...]:
        """What the model is told at the stops, from 1 (noise alone) to 0 (clean)."""
        return tuple(self._sampler.scale.level(stop) for stop in self.stops())

    def stop_at(self, level: float) -> float:
        """The stop in the sampler's scale at which the model is told a level below 1."""
        return self._sampler.scale.stop(level)

    @property
    def objective(self) -> Objective:
        """What the sampler takes the model's outputs for."""
        return self._sampler.objective

    @property
    def in_tree(self) -> bool:
        """Whether upstream draws its noise from a Brownian tree over the stops."""
        return self._sampler.in_tree

    @property
    def draws(self) -> int:
        """How many noise arrays one run takes, the starting noise included."""
        return self.steps if self._sampler.renoises and self.highest else 1

    def start(self, noise: State, init: State | None = None) -> State:
        """The state to walk from: noise, or noise and latents `init` (audio-to-audio), at the first stop."""
        return self._sampler.scale.start(noise, init, self.highest, self.stops()[0])

    def walk(self, velocity: Velocity, noise: Iterator[State], x: State) -> Iterator[Step]:
        """Run the sampler from `x`, one Step at a time. `velocity(x, level)` gives float32 like x.

        From level 0 there is no noise to remove, and no step is made.
        """
        return self._sampler.rule(velocity, noise, x, self.stops()) if self.highest else iter(())


def fitting(names: tuple[str, ...], objective: Objective) -> tuple[str, ...]:
    """Those of the samplers that take a model's outputs for what they are."""
    return tuple(name for name in names if SAMPLERS[name].objective == objective)


def usual_sampler(objective: Objective, steps: int) -> SamplerSpec:
    """The sampler that models of an objective are mostly run with; more steps than `steps` where it takes no fewer."""
    name = fitting(tuple(SAMPLERS), objective)[0]
    return SamplerSpec(name=name, steps=max(steps, SAMPLERS[name].least_steps))
