"""Update rules for the v objective: those of k-diffusion over sigmas, and DDIM.

The k-samplers walk x = clean + sigma noise, which the model sees scaled down (`denoise`); a `Step` has what the model saw
and answered. The last step is to 0, where every rule ends on the clean estimate itself. h is a step's length in -ln sigma.
Scalars are Python floats, so computed in float64; upstream's are float32 and cancel: its phi3 of the 3M rule is 1.5e-5 off
at 100 steps.

Source: k-diffusion `sampling.py`, as stable-audio-tools `inference/sampling.py` (`sample_k`, `sample`) calls it; Lu et al.
2022 (DPM-Solver++), Karras et al. 2022, Song et al. 2020 (DDIM). The 3M SDE is k-diffusion's own.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from reference.spec.sampling.flow import Step, Velocity
from reference.spec.sampling.objective import State, V
from reference.spec.sampling.scale import Sigmas

Levels = tuple[float, ...]
Past = list[tuple[State, float]]  # clean estimates and the h of the steps from them, the newest first
Lean = Callable[[State, float, Past], State | None]
Move = Callable[[State, State, float, float], State]  # state, clean estimate, sigma and the next one to the next state

SIGMAS = Sigmas()


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What the model saw at a sigma, what it answered, and the clean latent that points to."""

    x: State
    level: float
    velocity: State
    clean: State

    def step(self, index: int, following: State) -> Step:
        """The step this began."""
        return Step(
            index=index, level=self.level, x=self.x, velocity=self.velocity, denoised=self.clean, following=following
        )


def denoise(velocity: Velocity, x: State, sigma: float) -> Estimate:
    """Ask the model about the state `x` at `sigma` (k-diffusion's `VDenoiser`, data of deviation 1)."""
    root = math.sqrt(sigma * sigma + 1)
    scaled, level = x * (1 / root), SIGMAS.level(sigma)
    v = velocity(scaled, level)
    return Estimate(x=scaled, level=level, velocity=v, clean=x * (1 / (root * root)) + v * (-sigma / root))


def dpmpp_2m_sde(velocity: Velocity, noise: Iterator[State], x: State, sigmas: Levels) -> Iterator[Step]:
    """SDE-DPM-Solver++ (2M), midpoint, eta 1."""
    return _sde(velocity, noise, x, sigmas, _midpoint)


def dpmpp_3m_sde(velocity: Velocity, noise: Iterator[State], x: State, sigmas: Levels) -> Iterator[Step]:
    """The same of third order."""
    return _sde(velocity, noise, x, sigmas, _third_order)


def _walk(velocity: Velocity, x: State, sigmas: Levels, move: Move) -> Iterator[Step]:
    """Over sigmas: every step is `move`'s but the last, which is to 0 and so to the clean estimate."""
    for index, (now, after) in enumerate(pairwise(sigmas)):
        found = denoise(velocity, x, now)
        following = move(x, found.clean, now, after) if after else found.clean
        yield found.step(index, following)
        x = following


def _sde(velocity: Velocity, noise: Iterator[State], x: State, sigmas: Levels, lean: Lean) -> Iterator[Step]:
    """`lean` is what earlier estimates add to this one's. The last step draws nothing."""
    past: Past = []

    def move(x: State, clean: State, now: float, after: float) -> State:
        h = math.log(now / after)
        kept, taken = math.exp(-2 * h), -math.expm1(-2 * h)
        leaning = lean(clean, h, past)
        following = x * kept + clean * taken
        following = following if leaning is None else following + leaning
        past[:] = [(clean, h), *past[:1]]
        return following + next(noise) * (after * math.sqrt(taken))

    return _walk(velocity, x, sigmas, move)


def _midpoint(clean: State, h: float, past: Past) -> State | None:
    if not past:
        return None
    ((before, h_before),) = past[:1]
    leaning: State = (clean - before) * (0.5 * -math.expm1(-2 * h) * h / h_before)
    return leaning


def _third_order(clean: State, h: float, past: Past) -> State | None:
    phi2 = math.expm1(-2 * h) / (2 * h) + 1
    phi3 = phi2 / (2 * h) - 0.5
    slopes: list[State] = [
        (newer - older) * (h / h_older) for (newer, _), (older, h_older) in pairwise([(clean, h), *past])
    ]
    if len(slopes) < 2:
        return slopes[0] * phi2 if slopes else None
    (one, two), ((_, h1), (_, h2)) = slopes, past
    bend = (one - two) * (h / (h1 + h2))
    return (one + bend * (h1 / h)) * phi2 - bend * phi3


def dpmpp_2m(velocity: Velocity, noise: Iterator[State], x: State, sigmas: Levels) -> Iterator[Step]:
    """DPM-Solver++ (2M); first and last step are first order. Draws nothing."""
    past: Past = []

    def move(x: State, clean: State, now: float, after: float) -> State:
        h, aim = math.log(now / after), clean
        if past:
            lean = 0.5 * h / past[0][1]
            aim = aim * (1 + lean) - past[0][0] * lean
        past[:] = [(clean, h)]
        return x * (after / now) + aim * -math.expm1(-h)

    return _walk(velocity, x, sigmas, move)


def heun(velocity: Velocity, noise: Iterator[State], x: State, sigmas: Levels) -> Iterator[Step]:
    """Heun's second-order rule in sigma, without churn: two velocities a step, one in the last. Draws nothing."""

    def move(x: State, clean: State, now: float, after: float) -> State:
        slope = _slope(x, clean, now)
        ahead = x + slope * (after - now)
        back = _slope(ahead, denoise(velocity, ahead, after).clean, after)
        return x + (slope + back) * ((after - now) / 2)

    return _walk(velocity, x, sigmas, move)


def dpm_2(velocity: Velocity, noise: Iterator[State], x: State, sigmas: Levels) -> Iterator[Step]:
    """Midpoint rule, the midpoint in log sigma: two velocities a step, one in the last. Draws nothing."""

    def move(x: State, clean: State, now: float, after: float) -> State:
        middle = math.sqrt(now * after)
        halfway = x + _slope(x, clean, now) * (middle - now)
        return x + _slope(halfway, denoise(velocity, halfway, middle).clean, middle) * (after - now)

    return _walk(velocity, x, sigmas, move)


def dpmpp_2s_ancestral(velocity: Velocity, noise: Iterator[State], x: State, sigmas: Levels) -> Iterator[Step]:
    """DPM-Solver++ (2S) down to below the next sigma, and noise up to it. Two velocities a step, one in the last."""

    def move(x: State, clean: State, now: float, after: float) -> State:
        down, up = after * after / now, after * math.sqrt(1 - (after / now) ** 2)
        middle, h = math.sqrt(now * down), math.log(now / down)
        halfway = x * (middle / now) + clean * -math.expm1(-h / 2)
        aim = denoise(velocity, halfway, middle).clean
        return x * (down / now) + aim * -math.expm1(-h) + next(noise) * up

    return _walk(velocity, x, sigmas, move)


def _slope(x: State, clean: State, sigma: float) -> State:
    """dx / d sigma."""
    return (x - clean) * (1 / sigma)


def ddim(velocity: Velocity, noise: Iterator[State], x: State, levels: Levels) -> Iterator[Step]:
    """DDIM, eta 0, over the model's own levels: to the clean estimate, and back with the noise it leaves. Draws nothing."""
    for index, (now, after) in enumerate(pairwise(levels)):
        v = velocity(x, now)
        clean = V.clean(x, now, v)
        following = V.mixed(clean, V.noise(x, now, v), after)
        yield Step(index=index, level=now, x=x, velocity=v, denoised=clean, following=following)
        x = following
