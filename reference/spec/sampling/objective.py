"""What a model was trained to answer, and so what a level and its output mean."""

import math
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

State = NDArray[Any]  # float32; a torch tensor will do as well


class Objective(Protocol):
    """All that samplers and measures know about it. Levels are Python floats, states and outputs have one shape."""

    def clean(self, x: State, level: float, output: State) -> State:
        """The clean latent that the model's `output` for the state `x` at `level` points to."""
        ...

    def mixed(self, clean: State, noise: State, level: float) -> State:
        """The state at `level` between a clean latent and noise."""
        ...

    def reach(self, level: float) -> float:
        """How far an error of the output moves the clean estimate, as a share of the error."""
        ...

    def noise_share(self, level: float) -> float:
        """The factor of the noise in a state, from 0 to 1: what upstream holds the interval of guidance to."""
        ...


@dataclass(frozen=True, kw_only=True)
class RectifiedFlow:
    """A level t is the share of noise: x = (1 - t) clean + t noise, and the output is the velocity noise - clean.

    Source: Liu et al. 2022; stable-audio-tools `inference/sampling.py` (`sample_rf`).
    """

    def clean(self, x: State, level: float, output: State) -> State:
        return x - level * output

    def mixed(self, clean: State, noise: State, level: float) -> State:
        return (1 - level) * clean + level * noise

    def reach(self, level: float) -> float:
        return level

    def noise_share(self, level: float) -> float:
        return level


@dataclass(frozen=True, kw_only=True)
class VObjective:
    """A level t is an angle: x = cos(pi t / 2) clean + sin(pi t / 2) noise, the output v = cos noise - sin clean.

    Source: Salimans and Ho 2022, appendix D; stable-audio-tools `inference/sampling.py` (`sample`).
    """

    def clean(self, x: State, level: float, output: State) -> State:
        alpha, sigma = _turned(level)
        return x * alpha - output * sigma

    def noise(self, x: State, level: float, output: State) -> State:
        """The noise in `x` that the model's output points to."""
        alpha, sigma = _turned(level)
        return x * sigma + output * alpha

    def mixed(self, clean: State, noise: State, level: float) -> State:
        alpha, sigma = _turned(level)
        return clean * alpha + noise * sigma

    def reach(self, level: float) -> float:
        return _turned(level)[1]

    def noise_share(self, level: float) -> float:
        return _turned(level)[1]


def _turned(level: float) -> tuple[float, float]:
    return math.cos(math.pi * level / 2), math.sin(math.pi * level / 2)


FLOW, V = RectifiedFlow(), VObjective()

# By the name a config gives. The distilled `rf_denoiser` differs in its training only.
OBJECTIVES: dict[str, Objective] = {"rf_denoiser": FLOW, "rectified_flow": FLOW, "v": V}
