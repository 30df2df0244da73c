"""Generations of a kit: the device's own sampler, from packed tokens and a seed."""

from collections.abc import Iterator

from parity.device.record.kit import Kit
from parity.device.record.plan import Generation, Variant
from reference.spec.generation import Pipeline, Request, Stages
from reference.spec.noise import open_noise
from reference.spec.prompt import Tokenizer
from reference.spec.sampling.objective import State
from reference.spec.sampling.samplers import SamplerSpec
from reference.spec.stages import DECODER
from reference.spec.tensors import Array


class Tokens(Tokenizer):
    """One prompt's tokens, as they were packed."""

    def __init__(self, ids: Array, mask: Array) -> None:
        self._found, self.max_length = (ids, mask), ids.shape[-1]

    def __call__(self, text: str) -> tuple[Array, Array]:
        return self._found


def pipeline_of(kit: Kit, variant: Variant, one: Generation, stages: Stages) -> Pipeline:
    """A variant's `stages` and what its bundle says about everything between them."""
    manifest, arrays = kit.bundles[variant.bundle].manifest, kit.arrays
    return Pipeline(
        stages=stages,
        tokenizer=Tokens(arrays.of(one.tokens["input_ids"]), arrays.of(one.tokens["attention_mask"])),
        latent_shape=manifest.stages[DECODER].signature.inputs[0].shape,
        audio_shape=manifest.stages[DECODER].signature.outputs[0].shape,
        sample_rate_hz=manifest.sample_rate_hz,
        level_shift=manifest.level_shift,
    )


def request_of(one: Generation) -> Request:
    """What is asked for."""
    return Request(prompt=one.prompt, seconds=one.seconds, sampler=SamplerSpec(name=one.sampler, steps=one.steps))


def draws_of(one: Generation, shape: tuple[int, ...]) -> Iterator[State]:
    """The noise of a run of it."""
    return open_noise(one.noise, shape, one.seed)
