"""Swap stages of the truth for those of a variant, and measure how far the audio goes from the truth's."""

from dataclasses import replace
from itertools import product

import numpy as np

from parity.explain.swap_matrix import SwapMatrix, Swapped
from parity.judge.judge import Judge
from parity.measure.cases import Case
from parity.measure.portraits import Portrait, log_mel_distance_db, portrait
from reference.spec.generation import Pipeline, generate
from reference.spec.stages import DECODER, GENERATION, STAGE_TABLE
from reference.spec.tensors import Array, Tensors

OWN_DECODER: Swapped = frozenset([DECODER])


def swap_matrix(judge: Judge, variant: str, case: Case) -> SwapMatrix:
    """Generate for every mix of conditioner and DiT, and decode each with both decoders; what is known is not run again.

    The truth's stages run in float64, those of a large model in float32: a matrix of float64 would take minutes, and float32
    was measured 3.5e-5 dB away.
    """
    truth, own = judge.truth(case), judge.pipeline(variant)
    exact = judge.model.pipeline() if judge.model.large else judge.truths.pipeline()
    heard = portrait(truth["audio"][0], own.sample_rate_hz)
    distance_db: dict[Swapped, float] = {}
    for mix in product((False, True), repeat=2):
        swapped = frozenset(stage for stage, taken in zip(GENERATION[:2], mix, strict=True) if taken)
        for decoder, audio in _decoded(judge, variant, case, exact, swapped).items():
            distance_db[swapped | decoder] = _distance_db(heard, audio, own.sample_rate_hz)
    return SwapMatrix(variant=variant, case=case.id, distance_db=distance_db)


def _decoded(judge: Judge, variant: str, case: Case, exact: Pipeline, swapped: Swapped) -> dict[Swapped, Array]:
    """The audio of one mix, by the truth's decoder and by the variant's."""
    own = judge.pipeline(variant)
    if not swapped:
        truth = judge.truth(case)
        return {frozenset(): truth["audio"], OWN_DECODER: judge.answers(DECODER, variant, case)[0]["audio"]}
    if len(swapped) == 2:  # what the variant makes of it by itself
        trace = judge.generated(variant, case)
        return {frozenset(): exact.stages[DECODER](_latents(trace))["audio"], OWN_DECODER: trace["audio"]}
    stages = {stage: (own if stage in swapped else exact).stages[stage] for stage in GENERATION}
    trace = generate(replace(exact, stages=stages), case.request, case.draws(exact.latent_shape))
    return {frozenset(): trace["audio"], OWN_DECODER: own.stages[DECODER](_latents(trace))["audio"]}


def _latents(trace: Tensors) -> Tensors:
    return STAGE_TABLE[DECODER].feed(trace)


def _distance_db(truth: Portrait, audio: Array, sample_rate_hz: int) -> float:
    """NaN where the audio is not finite."""
    if not np.isfinite(audio).all():
        return float("nan")
    return log_mel_distance_db(truth, portrait(audio[0], sample_rate_hz))
