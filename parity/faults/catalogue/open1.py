"""Faults that only a model told two numbers, guided, and of the v objective can have: Stable Audio Open 1.0. They are injected
into the seeded `open1-tiny`, apart from the catalogue of the tiny model."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace

import numpy as np

from parity.faults.fault import DERIVED, Fault
from parity.faults.injection import InPipeline, InStage
from parity.faults.wiring import asked_for, fed
from parity.faults.wrong_denoiser import WrongDenoiser
from parity.measure.replay import Generate
from reference.spec.generation import Pipeline, Request, Stage
from reference.spec.model import SECONDS_START, SECONDS_TOTAL
from reference.spec.sampling.guidance import Guidance
from reference.spec.sampling.objective import State
from reference.spec.stages import CONDITIONER, DIT
from reference.spec.tensors import Array, Tensors

CONFIG = "open1-tiny"
LEAST_ALPHA = 1e-6  # at level 1 a sigma has no end


def numbers_swapped(run: Stage) -> Stage:
    """Each is told what the other is."""
    return lambda feed: run({**feed, SECONDS_START: feed[SECONDS_TOTAL], SECONDS_TOTAL: feed[SECONDS_START]})


def swapped_in_global(run: Stage) -> Stage:
    """The global token has the numbers in the other order."""

    def faulty(feed: Mapping[str, Array]) -> Tensors:
        answers = run(feed)
        halves = np.split(answers["global_cond"], 2, axis=-1)
        return {**answers, "global_cond": np.concatenate(halves[::-1], axis=-1)}

    return faulty


def sigma_of(level: float) -> float:
    """The noise's deviation beside a clean latent's, which k-samplers walk over."""
    return math.sin(math.pi * level / 2) / max(math.cos(math.pi * level / 2), LEAST_ALPHA)


def skip_for_out(x: State, level: float, v: State) -> State:
    """The answer that a right rule makes of what one with c_skip and c_out swapped makes of `v`."""
    sigma = sigma_of(level)
    root = math.sqrt(sigma * sigma + 1)
    skip, out = 1 / (root * root), -sigma / root
    swapped: State = ((out - skip) * root * x + skip * v) / out
    return swapped


def denoised_by(**changes: object) -> InPipeline:
    """A pipeline whose sampler is a `WrongDenoiser`."""

    def change(request: Request, share: float) -> Request:
        had = {field.name: getattr(request.sampler, field.name) for field in fields(request.sampler)}
        return replace(request, sampler=WrongDenoiser(**had | changes | {"share": share}))

    return InPipeline(wrong=asked_for(change))


class HalvesSwapped(Guidance):
    """Leads from the prompt to what it should lead away from."""

    def combine(self, conditional: Array, unconditional: Array, clean: Array) -> Array:
        return super().combine(unconditional, conditional, clean)


def halves_swapped(request: Request, share: float) -> Request:
    return replace(request, guidance=HalvesSwapped(**vars(request.guidance)))


def own_global_token(generate: Generate, share: float) -> Generate:
    """What guidance leads away from has the global token of the negative prompt's numbers."""

    def run(pipeline: Pipeline, request: Request, noise: Iterator[State]) -> Tensors:
        told: list[Tensors] = []

        def conditioner(feed: Mapping[str, Array]) -> Tensors:
            told.append(pipeline.stages[CONDITIONER](feed))
            return told[-1]

        def dit(feed: Mapping[str, Array]) -> Tensors:
            mine = (one for one in told if np.array_equal(one["cross_attention_cond"], feed["cross_attention_cond"]))
            return pipeline.stages[DIT]({**feed, "global_cond": next(mine, feed)["global_cond"]})

        return generate(replace(pipeline, stages={**pipeline.stages, CONDITIONER: conditioner, DIT: dit}), request, noise)

    return run


OPEN1 = (
    Fault(
        name="numbers_swapped", stage="conditioner", site="wiring", sentence="seconds_start and seconds_total change places",
        source="mlx-audiogen 0.2.0: global token in the order total, start", config=CONFIG, graded=False,
        inject=InStage(stage="conditioner", wrong=numbers_swapped),
    ),
    Fault(
        name="global_swapped", stage="conditioner", site="graph", sentence="the two numbers change places in the global token",
        source="mlx-audiogen 0.2.0: global token in the order total, start", config=CONFIG, graded=False,
        inject=InStage(stage="conditioner", wrong=swapped_in_global),
    ),
    Fault(
        name="sigma_for_t", stage="dit", site="graph", sentence="the DiT takes its t for a sigma", source=DERIVED,
        config=CONFIG, graded=False,
        inject=InStage(stage="dit", wrong=fed("t", lambda t: np.array([sigma_of(float(t[0]))], np.float32))),
    ),
    Fault(
        name="sigma_told", stage="sampler", site="sampler", sentence="the DiT is told sigma instead of t", source=DERIVED,
        config=CONFIG, inject=denoised_by(told=sigma_of),
    ),
    Fault(
        name="skip_for_out", stage="sampler", site="sampler", sentence="c_skip and c_out are swapped",
        source="k-diffusion external.py: VDenoiser.get_scalings", config=CONFIG, inject=denoised_by(taken=skip_for_out),
    ),
    Fault(
        name="guidance_halves_swapped", stage="sampler", site="sampler", sentence="guidance leads towards what it should leave",
        source="stable-audio-tools models/dit.py: cond_output, uncond_output", config=CONFIG, graded=False,
        inject=InPipeline(wrong=asked_for(halves_swapped)),
    ),
    Fault(
        name="negative_global_token", stage="sampler", site="wiring",
        sentence="what guidance leads away from has a global token of its own", source="FastVideo", config=CONFIG, graded=False,
        inject=InPipeline(wrong=own_global_token),
    ),
)  # fmt: skip
