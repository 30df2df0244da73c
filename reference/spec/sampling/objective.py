"""What a model was trained to answer, and so what a level and its output mean."""

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

    def start(self, noise: State, init: State | None, level: float) -> State:
        """The state to walk from at `level`: noise alone, or mixed with the latents `init` (audio-to-audio)."""
        ...

    def reach(self, level: float) -> float:
        """How far an error of the output moves the clean estimate, as a share of the error."""
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

    def start(self, noise: State, init: State | None, level: float) -> State:
        return noise if init is None else self.mixed(init, noise, level)

    def reach(self, level: float) -> float:
        return level


FLOW = RectifiedFlow()

# By the name a config gives. The distilled `rf_denoiser` differs in its training only.
OBJECTIVES: dict[str, Objective] = {"rf_denoiser": FLOW, "rectified_flow": FLOW}
