"""What is between the stages: tokens, levels, noise and update rule.

A pipeline is run around stand-ins that answer with the truth's own outputs and note what they are asked. Whatever differs
from what the reference's pipeline asks is then no stage's doing. This guards the code both pipelines of this project share, and
what a bundle adds to it (its tokenizer, its level shift); a program of somebody else's is not seen.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from parity.measure.metrics import relative_l2
from parity.measure.teacher_forcing import CONDITIONING, Measurement
from reference.spec.generation import Pipeline, Request, Stage
from reference.spec.noise import philox
from reference.spec.sampling.objective import State
from reference.spec.stages import ALL_STAGES, CONDITIONER, DECODER, DIT, STAGE_TABLE, StageRow
from reference.spec.tensors import Array, Tensors
from reference.spec.trace import crossing

Generate = Callable[[Pipeline, Request, Iterator[State]], Tensors]
Asking = TypeVar("Asking")

LEVEL = 0.6  # where the audio-to-audio run starts: its schedule and start differ from those of pure noise


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a pipeline asked its stages: tokens and numbers of the prompt and the negative prompt; states, levels and
    conditioning call by call; the latents decoded. `steps` are those that the truth's calls are of."""

    inputs: list[Tensors]
    states: list[Array]
    levels: list[Array]
    conditioning: list[Tensors]
    steps: list[int]


def audio_to_audio(request: Request, truth: Tensors) -> Request:
    """The same request, starting from the truth's own audio."""
    audio = truth["audio"].astype(np.float32)
    return replace(request, init_audio=audio, sampler=replace(request.sampler, sigma_max=request.sampler.stop_at(LEVEL)))


def asked(pipeline: Pipeline, generate: Generate, request: Request, seed: int, truth: Tensors) -> Asked:
    """Run `generate` around stand-ins for the stages; `truth` is the case's trace from pure noise."""
    answers = crossing(truth)
    feeds: dict[str, list[Tensors]] = {name: [] for name in ALL_STAGES}
    stand_ins = {name: _stand_in(STAGE_TABLE[name], answers, feeds[name]) for name in ALL_STAGES}
    generate(replace(pipeline, stages=stand_ins), request, philox(pipeline.latent_shape, seed))
    return Asked(
        inputs=feeds[CONDITIONER],
        states=[*(feed["x"] for feed in feeds[DIT]), *(feed["latents"] for feed in feeds[DECODER])],
        levels=[feed["t"].astype(np.float64) for feed in feeds[DIT]],
        conditioning=[{name: feed[name] for name in CONDITIONING} for feed in feeds[DIT]],
        steps=[place.step or 0 for place in STAGE_TABLE[DIT].places(answers)],
    )


def _stand_in(row: StageRow, answers: Tensors, feeds: list[Tensors]) -> Stage:
    """A stage that notes what it is fed in `feeds` and answers with the truth's outputs, the last ones for good."""

    def run(feed: Mapping[str, Array]) -> Tensors:
        feeds.append({port.name: feed[port.name] for port in row.inputs if port.belongs(feed)})
        return row.truth(answers, min(len(feeds), row.calls(answers)) - 1)

    return run


def compare(expected: Asked, found: Asked) -> dict[str, list[Measurement]]:
    """Measurements by stage. The step is the worst one; one past the last is the latents handed to the decoder."""
    told, _ = _worst(expected.inputs, found.inputs, _unequal_values)
    level, at_level = _worst(expected.levels, found.levels, lambda one, two: float(abs(two - one).max()))
    state, at_state = _worst(expected.states, found.states, relative_l2)
    handed, at_handed = _worst(expected.conditioning, found.conditioning, _unequal_values)
    steps = [*expected.steps, *[expected.steps[-1] + 1] * 2]  # past the last come the latents; beyond them, what is too much
    return {
        CONDITIONER: [Measurement(metric="unequal_inputs", value=told)],
        "sampler": [
            Measurement(metric="level_error", value=level, step=steps[at_level]),
            Measurement(metric="state_error", value=state, step=steps[at_state]),
            Measurement(metric="unequal_conditioning", value=handed, step=steps[at_handed]),
        ],
    }


def _unequal_values(expected: Tensors, found: Tensors) -> float:
    return sum(_unequal(array, found[name]) for name, array in expected.items())


def _unequal(expected: Array, found: Array) -> int:
    return int(np.count_nonzero(expected != found)) if expected.shape == found.shape else max(expected.size, found.size)


def _worst(expected: list[Asking], found: list[Asking], distance: Callable[[Asking, Asking], float]) -> tuple[float, int]:
    """The largest distance and where; infinite, past the common steps, if there are not as many."""
    if len(expected) != len(found):
        return float("inf"), min(len(expected), len(found))
    distances = np.array([distance(one, two) for one, two in zip(expected, found, strict=True)])
    step = int(np.argmax(np.where(np.isnan(distances), np.inf, distances)))
    return float(distances[step]), step
