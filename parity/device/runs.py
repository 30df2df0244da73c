"""The reference's own run of a request, for a sound to be compared with."""

from collections.abc import Iterator

from parity.measure.cases import Case
from reference.pipeline import Model
from reference.spec.generation import Pipeline, generate
from reference.spec.sampling.objective import State
from reference.spec.tensors import Array


def generated(model: Model, case: Case, noise: Iterator[State] | None = None) -> Array:
    """(channel, sample) audio of the float32 reference."""
    return made(model.pipeline(), case, noise)


def made(pipeline: Pipeline, case: Case, noise: Iterator[State] | None = None) -> Array:
    audio: Array = generate(pipeline, case.request, noise or case.draws(pipeline.latent_shape))["audio"][0]
    return audio
