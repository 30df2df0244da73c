"""What is between the stages: tokens, levels, noise and update rule.

A pipeline is run around stand-ins that answer with the truth's own outputs and note what they are asked. Whatever differs
from what the reference's pipeline asks is then no stage's doing. This guards the code both pipelines of this project share, and
what a bundle adds to it (its tokenizer, its level shift); a program of somebody else's is not seen.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from parity.measure.metrics import relative_l2
from parity.measure.teacher_forcing import CONDITIONING, Measurement, float32_inputs
from reference.spec.generation import Pipeline, Request
from reference.spec.noise import philox
from reference.spec.sampling.objective import State
from reference.spec.tensors import Array, Tensors

Generate = Callable[[Pipeline, Request, Iterator[State]], Tensors]

SIGMA_MAX = 0.6  # of the audio-to-audio run: its schedule and start differ from those of pure noise


@dataclass(kw_only=True)
class Asked:
    """What a pipeline asked its stages: tokens and seconds, states and levels step by step, the latents decoded."""

    inputs: Tensors = field(default_factory=dict)
    states: list[Array] = field(default_factory=list)
    levels: list[Array] = field(default_factory=list)


def audio_to_audio(request: Request, truth: Tensors) -> Request:
    """The same request, starting from the truth's own audio."""
    audio = truth["audio"].astype(np.float32)
    return replace(request, init_audio=audio, sampler=replace(request.sampler, sigma_max=SIGMA_MAX))


def asked(pipeline: Pipeline, generate: Generate, request: Request, seed: int, truth: Tensors) -> Asked:
    """Run `generate` around stand-ins for the stages; `truth` is the case's trace from pure noise."""
    noted, answers = Asked(), float32_inputs(truth)
    steps = len(truth["levels"]) - 1

    def conditioner(feed: Mapping[str, Array]) -> Tensors:
        noted.inputs = {name: feed[name] for name in ("input_ids", "attention_mask", "seconds_total")}
        return {name: answers[name] for name in CONDITIONING}

    def dit(feed: Mapping[str, Array]) -> Tensors:
        step = min(len(noted.levels), steps - 1)
        noted.states.append(feed["x"])
        noted.levels.append(feed["t"].astype(np.float64))
        return {"velocity": answers[f"v_{step}"]}

    def decoder(feed: Mapping[str, Array]) -> Tensors:
        noted.states.append(feed["latents"])
        return {"audio": answers["audio"]}

    def encoder(feed: Mapping[str, Array]) -> Tensors:
        return {"init_latents": answers["init_latents"]}

    stand_ins = {"conditioner": conditioner, "dit": dit, "decoder": decoder, "encoder": encoder}
    generate(replace(pipeline, stages=stand_ins), request, philox(pipeline.latent_shape, seed))
    return noted


def compare(expected: Asked, found: Asked) -> dict[str, list[Measurement]]:
    """Measurements by stage. The step is the worst one; one past the last is the latents handed to the decoder."""
    unequal = sum(_unequal(array, found.inputs[name]) for name, array in expected.inputs.items())
    level, at_level = _worst(expected.levels, found.levels, lambda one, two: float(abs(two - one).max()))
    state, at_state = _worst(expected.states, found.states, relative_l2)
    return {
        "conditioner": [Measurement(metric="unequal_inputs", value=unequal)],
        "sampler": [
            Measurement(metric="level_error", value=level, step=at_level),
            Measurement(metric="state_error", value=state, step=at_state),
        ],
    }


def _unequal(expected: Array, found: Array) -> int:
    return int(np.count_nonzero(expected != found)) if expected.shape == found.shape else max(expected.size, found.size)


def _worst(expected: list[Array], found: list[Array], distance: Callable[[Array, Array], float]) -> tuple[float, int]:
    """The largest distance and where; infinite, past the common steps, if there are not as many."""
    if len(expected) != len(found):
        return float("inf"), min(len(expected), len(found))
    distances = np.array([distance(one, two) for one, two in zip(expected, found, strict=True)])
    step = int(np.argmax(np.where(np.isnan(distances), np.inf, distances)))
    return float(distances[step]), step
