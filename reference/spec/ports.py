"""Tensors of stages, and where a trace holds what they were at each call of a generation."""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from reference.spec.domain import Domain
from reference.spec.model import StageSpec
from reference.spec.tensors import Array, Tensor, Tensors
from reference.spec.trace import LEVELS, at_step, away

Axes = Callable[[Any], Mapping[str, int]]  # of a StageSpec; what reads text or numbers, of a ModelSpec


@dataclass(frozen=True, kw_only=True)
class Call:
    """Which call of a generation: in which sampler step, if in any, and whether for what guidance leads away from."""

    step: int | None = None
    away: bool = False


Key = Callable[[Call], str]  # under which name a trace has a value at a call


class Held(Protocol):
    """Where a trace holds a value that it has under no name of its own."""

    def __call__(self, trace: Mapping[str, Array], call: Call) -> Array:
        """The value at a call."""

    def keep(self, trace: Tensors, call: Call, value: Array) -> None:
        """Put a value there. Calls are kept in order."""


def of_step(name: str, other: str | None = None) -> Key:
    """Of what a trace holds once per sampler step; `other` is what it is called for what guidance leads away from, `name` if
    that is nothing of its own."""

    def key(call: Call) -> str:
        assert call.step is not None, "stages of the sampler alone have such values"
        return at_step(other if call.away and other else name, call.step)

    return key


def told(name: str) -> Key:
    """Of what a trace holds of the prompt and, where there is a negative prompt, of that."""
    return lambda call: away(name) if call.away else name


class Level:
    """The level at a step, (batch 1)."""

    def __call__(self, trace: Mapping[str, Array], call: Call) -> Array:
        assert call.step is not None, "there is one at every step"
        return trace[LEVELS][call.step : call.step + 1]

    def keep(self, trace: Tensors, call: Call, value: Array) -> None:
        before = trace[LEVELS][: call.step] if call.step else np.zeros(0, value.dtype)
        trace[LEVELS] = np.concatenate([before, value, np.zeros(1, value.dtype)])  # ends at 0, as all do


@dataclass(frozen=True, kw_only=True)
class Port:
    """A tensor a stage takes or gives. A trace has its value under `key` or, without one, under its name; or `held` finds it.

    `drawn`: it is noise, taken from the generation's stream and not from another stage. `domain` is what an input may be;
    without one it is only what another stage answers. `optional`: a number that some models are not told.
    """

    name: str
    axes: Axes
    dtype: str = "float32"
    key: Key | None = None
    held: Held | None = None
    drawn: bool = False
    domain: Domain | None = None
    optional: bool = False

    def tensor(self, spec: StageSpec) -> Tensor:
        """The port of a model, at batch 1."""
        return Tensor(name=self.name, axes=self.axes(spec), dtype=self.dtype)

    def key_at(self, call: Call) -> str:
        """Under which name a trace has its value at a call."""
        return self.name if self.key is None else self.key(call)

    def value(self, trace: Mapping[str, Array], call: Call) -> Array:
        """What it was at a call of the generation, as stored. Raises KeyError where the trace lacks it."""
        return trace[self.key_at(call)] if self.held is None else self.held(trace, call)

    def keep(self, trace: Tensors, call: Call, value: Array) -> None:
        """Put what it was at a call into a trace."""
        if self.held is None:
            trace[self.key_at(call)] = value
        else:
            self.held.keep(trace, call, value)

    def belongs(self, told: Container[str]) -> bool:
        """Whether a model has it that is told these."""
        return not self.optional or self.name in told
