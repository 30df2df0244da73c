"""One generation, whoever runs the stages: tokens, conditioner, sampler, decoder, and the trace of it all."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from reference.spec.errors import InputError
from reference.spec.files import new_file
from reference.spec.prompt import Tokenizer
from reference.spec.sampler import SamplerSpec, State
from reference.spec.tensors import Array, Tensors

Stage = Callable[[Mapping[str, Array]], Tensors]  # named tensors in, named tensors out
Stages = Mapping[str, Stage]  # by stage name


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a listener asks for. `seconds` conditions the model; it does not cut the audio."""

    prompt: str
    seconds: float
    sampler: SamplerSpec = field(default_factory=SamplerSpec)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.seconds) and self.seconds >= 0):
            raise InputError(f"seconds is {self.seconds}, expected a finite number, 0 or more")


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """Everything a generation needs, whichever runtime is behind the stages."""

    stages: Stages
    tokenizer: Tokenizer
    latent_shape: tuple[int, ...]
    sample_rate_hz: int


def conditioner_feed(tokenizer: Tokenizer, request: Request) -> Tensors:
    """The conditioner's inputs for a request."""
    input_ids, attention_mask = tokenizer(request.prompt)
    return {
        "input_ids": input_ids,
        "attention_mask": attention_mask,
        "seconds_total": np.array([request.seconds], dtype=np.float32),
    }


def dit_feed(x: State, level: float, conditioning: Tensors) -> Tensors:
    """The DiT's inputs for one step."""
    return {"x": x, "t": np.array([level], dtype=np.float32), **crossing(conditioning)}


def crossing(tensors: Mapping[str, Array]) -> Tensors:
    """Tensors as they cross from one stage to the next: float32, whatever precision computed them."""
    return {name: array.astype(np.float32, copy=False) for name, array in tensors.items()}


def generate(pipeline: Pipeline, request: Request, noise: Iterator[State]) -> Tensors:
    """Run all stages and return the trace.

    Keys: input_ids attention_mask seconds_total cross_attention_cond global_cond levels latents audio, and per
    step i noise_i x_i v_i denoised_i (`noise_0` is the start, `noise_i` the re-noise after step i - 1's estimate).
    Stage outputs keep the precision they were computed in; what is passed on is float32.
    """
    trace = conditioner_feed(pipeline.tokenizer, request)
    conditioning = pipeline.stages["conditioner"](trace)
    trace |= conditioning
    trace["levels"] = np.array(request.sampler.levels(), dtype=np.float32)

    velocities: list[Array] = []

    def velocity(x: State, level: float) -> State:
        velocities.append(pipeline.stages["dit"](dit_feed(x, level, conditioning))["velocity"])
        return velocities[-1].astype(np.float32, copy=False)

    def recorded() -> Iterator[State]:
        for index, array in enumerate(noise):
            trace[f"noise_{index}"] = array
            yield array

    for step in request.sampler.walk(velocity, recorded()):
        evaluations = len(velocities) // (step.index + 1)  # rk4 asks four times a step; the first is the step's own
        trace[f"x_{step.index}"] = step.x
        trace[f"v_{step.index}"] = velocities[step.index * evaluations]
        trace[f"denoised_{step.index}"] = step.denoised
        trace["latents"] = step.following
    trace["audio"] = pipeline.stages["decoder"](trace)["audio"]
    return trace


def save_trace(path: Path, trace: Tensors, force: bool = False) -> None:
    """Write a trace as `.npz`; stage outputs are rounded to float32, ids stay int32."""
    with new_file(path, force) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **{name: _stored(array) for name, array in trace.items()})  # type: ignore[arg-type]


def _stored(array: Array) -> Array:
    return array.astype(np.float32, copy=False) if array.dtype.kind == "f" else array
