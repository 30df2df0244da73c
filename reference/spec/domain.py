"""What a stage's inputs may be, beyond those of one generation: drawn place by place of a sweep, from its seed.

A domain gives a value for every place, so spread that few places leave no wide gap, and says what values it has covered.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.random import Generator, Philox

from reference.spec.model import ModelSpec, StageSpec
from reference.spec.sampling.objective import OBJECTIVES
from reference.spec.sampling.samplers import usual_sampler
from reference.spec.tensors import Array, Tensor

SCHEDULES = (1, 4, 50, 100)  # numbers of steps whose levels are drawn from, too
BEYOND = 1.5  # seconds are drawn up to this many times the model's most
LEAST_SECONDS = 0.1
QUIET = 1e-3  # 60 dB below full scale


@dataclass(frozen=True, kw_only=True)
class Place:
    """The `index`th of `count` places of a sweep, of the model `spec`."""

    index: int
    count: int
    seed: int
    spec: StageSpec

    @property
    def generates(self) -> ModelSpec:
        """The spec of a model that generates: only such a one is told numbers and reads text."""
        assert isinstance(self.spec, ModelSpec)
        return self.spec

    @cached_property
    def own(self) -> Generator:
        """The stream of this place alone."""
        return Generator(Philox(key=[self.seed, self.index + 1]))

    @property
    def common(self) -> Generator:
        """The same stream in every place."""
        return Generator(Philox(key=[self.seed, 0]))

    def spread(self, after: int = 0) -> float:
        """A number in [0, 1), from a part of its own for each place from `after` on."""
        return float((self.index - after + self.own.random()) / max(self.count - after, 1))

    def turned(self, share: float) -> "Place":
        """The place that share of a round further on."""
        return replace(self, index=(self.index + int(share * self.count)) % self.count)


class Domain(Protocol):
    """The values of one input."""

    def value(self, place: Place, tensor: Tensor) -> Array:
        """The value at a place."""

    def told(self, value: Array) -> str:
        """A value in words; empty where it tells nothing."""

    def covered(self, values: Sequence[Array]) -> str:
        """All of a sweep's values in words; empty where they tell nothing."""


@dataclass(frozen=True, kw_only=True)
class Levels:
    """Levels of noise: 1, then from all over (0, 1), every other one the nearest of the `SCHEDULES` of the usual sampler."""

    def value(self, place: Place, tensor: Tensor) -> Array:
        level = 1.0 if place.index == 0 else 1 - place.spread(after=1)
        if (place.count - place.index) % 2 == 0:  # never the last, which is below all schedules
            objective = OBJECTIVES[place.generates.objective]
            scheduled = np.array([t for steps in SCHEDULES for t in usual_sampler(objective, steps).levels() if t])
            level = float(scheduled[np.argmin(np.abs(scheduled - level))])
        return np.full(tensor.shape, level, tensor.dtype)

    def told(self, value: Array) -> str:
        return f"level {float(value[0]):.4g}"

    def covered(self, values: Sequence[Array]) -> str:
        return f"{len(values)} levels from {np.min(values):.3g} to {np.max(values):.3g}"


@dataclass(frozen=True, kw_only=True)
class Seconds:
    """The least, the most, beyond it, and the rest from everywhere between, evenly on a logarithmic scale. Each of several
    numbers is elsewhere in its range, so that none stands for another."""

    def value(self, place: Place, tensor: Tensor) -> Array:
        number, names = place.generates.number(tensor.name), place.generates.number_names[::-1]
        place = place.turned(names.index(tensor.name) / len(names))
        least, most = number.min_s, number.max_s
        edges = (least, most, BEYOND * most)
        low = max(least, LEAST_SECONDS)
        between = low * (BEYOND * most / low) ** place.spread(after=len(edges))
        return np.full(tensor.shape, edges[place.index] if place.index < len(edges) else between, tensor.dtype)

    def told(self, value: Array) -> str:
        return f"{float(value[0]):.4g} s"

    def covered(self, values: Sequence[Array]) -> str:
        return f"{len(values)} durations from {np.min(values):.3g} to {np.max(values):.3g} s"


@dataclass(frozen=True, kw_only=True)
class TokenIds:
    """Prompts that use the whole vocabulary if the places suffice, in an order drawn once; shorter ones after that."""

    def value(self, place: Place, tensor: Tensor) -> Array:
        ids = np.zeros(tensor.shape, tensor.dtype)
        prompt = _prompt(place, ids.shape[-1])
        ids[0, : prompt.size] = prompt
        return ids

    def told(self, value: Array) -> str:
        return f"{np.count_nonzero(value)} tokens from id {int(value[0, 0])} on"

    def covered(self, values: Sequence[Array]) -> str:
        return f"{np.unique(np.concatenate(values)).size} token ids"


@dataclass(frozen=True, kw_only=True)
class TokenMask:
    """Ones where `TokenIds` has tokens."""

    def value(self, place: Place, tensor: Tensor) -> Array:
        mask = np.zeros(tensor.shape, tensor.dtype)
        mask[0, : _prompt(place, mask.shape[-1]).size] = 1
        return mask

    def told(self, value: Array) -> str:
        return ""

    def covered(self, values: Sequence[Array]) -> str:
        return ""


def _prompt(place: Place, length: int) -> Array:
    """Ids of the place's prompt."""
    order = place.common.permutation(place.generates.t5.vocab_size)
    chunks = -(-order.size // length)
    chunk: Array = order[place.index % chunks * length :][:length]
    return chunk if place.index < chunks else chunk[: int(place.own.integers(1, length + 1))]


@dataclass(frozen=True, kw_only=True)
class Normal:
    """Normal noise of a standard deviation from `low` to `high`; called `what` where its size tells something.

    `same`: in all places, so that only the other inputs tell them apart.
    """

    low: float = 1.0
    high: float = 1.0
    what: str = ""
    same: bool = False

    def value(self, place: Place, tensor: Tensor) -> Array:
        stream, sigma = place.common if self.same else place.own, self.low + (self.high - self.low) * place.spread()
        drawn: Array = (sigma * stream.standard_normal(tensor.shape)).astype(tensor.dtype)
        return drawn

    def told(self, value: Array) -> str:
        return f"{self.what} of {float(np.std(value)):.2g} sigma" if self.what else ""

    def covered(self, values: Sequence[Array]) -> str:
        sigmas = [float(np.std(value)) for value in values]
        return f"{self.what} of {min(sigmas):.2g} to {max(sigmas):.2g} sigma" if self.what else ""


@dataclass(frozen=True, kw_only=True)
class Sounds:
    """Silence, a sine sweep, an impulse and noise at full scale, then noise of any loudness down to `QUIET`."""

    def value(self, place: Place, tensor: Tensor) -> Array:
        silence, samples = np.zeros(tensor.shape), tensor.shape[-1]
        noise = place.own.uniform(-1, 1, tensor.shape)
        times = np.arange(samples) / samples
        sweep = np.sin(np.pi * samples / 2 * times**2)  # from 0 Hz to half the Nyquist frequency
        impulse = silence.copy()
        impulse[..., int(place.own.integers(samples))] = 1
        loudest = (silence, silence + sweep, impulse, noise)
        sound = loudest[place.index] if place.index < len(loudest) else QUIET ** place.spread(after=len(loudest)) * noise
        return sound.astype(tensor.dtype)

    def told(self, value: Array) -> str:
        peak, rms = float(np.abs(value).max()), float(np.sqrt(np.mean(np.square(value, dtype=np.float64))))
        if peak == 0:
            return "silence"
        return f"a sound of peak {peak:.3g} and crest {peak / rms:.3g}"

    def covered(self, values: Sequence[Array]) -> str:
        peaks = [float(np.abs(value).max()) for value in values]
        return f"{len(values)} sounds of peak {min(peaks):.2g} to {max(peaks):.2g}"


@dataclass(frozen=True, kw_only=True)
class Present:
    """Which frames of a window there are, the first of them: all, one, all but the last, then any number."""

    def value(self, place: Place, tensor: Tensor) -> Array:
        frames = tensor.shape[-1]
        edges = (frames, 1, frames - 1)
        count = edges[place.index] if place.index < len(edges) else 1 + int(place.spread(after=len(edges)) * frames)
        there = np.zeros(tensor.shape, tensor.dtype)
        there[..., :count] = 1
        return there

    def told(self, value: Array) -> str:
        return f"{np.count_nonzero(value)} of {value.size} frames"

    def covered(self, values: Sequence[Array]) -> str:
        counts = [np.count_nonzero(value) for value in values]
        return f"windows of {min(counts)} to {max(counts)} frames"
