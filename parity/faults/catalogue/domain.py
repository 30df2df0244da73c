"""Faults on inputs that no case has: right wherever somebody looked."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import nn

from fixtures import TINY_MODEL_DIR
from parity.faults.fault import DERIVED, Fault
from parity.faults.injection import InModule, InStage
from parity.faults.wiring import Change, fed, fed_where
from parity.measure.cases import load_cases
from reference.pipeline import load_model
from reference.spec.generation import Stage
from reference.spec.sampling.schedule import logsnr_levels
from reference.spec.tensors import Array, Tensors

LEAST_LEVEL = np.float32(0.26)  # below the last but one of eight
STUCK_S = (1.81, 7.5)  # of no case that is looked at
LOUDEST_SAMPLE, LARGEST_LATENT, LARGEST_STATE = 0.76, 4.0, 4.5  # beyond all cases'


def to_the_schedule(t: Array) -> Array:
    """The nearest level of eight steps."""
    levels = np.array(logsnr_levels(8, 1.0)[:-1], np.float32)
    nearest: Array = levels[np.abs(levels - t).argmin()].reshape(t.shape)
    return nearest


def backwards(t: Array) -> Array:
    """Right at the levels of eight steps; from one to the next levels run backwards."""
    levels = np.array(logsnr_levels(8, 1.0), np.float32)[::-1]
    above = np.clip(np.searchsorted(levels, t), 1, len(levels) - 1)
    mirrored: Array = levels[above - 1] + levels[above] - t
    return np.where(np.isin(t, levels), t, mirrored).astype(t.dtype)


def between(low: float, high: float) -> Callable[[Array], bool]:
    return lambda value: low < float(value[0]) < high


def cut_at(peak: float) -> Change:
    return lambda array: np.clip(array, np.float32(-peak), np.float32(peak))


def nan_on_silence(run: Stage) -> Stage:
    def faulty(feed: Mapping[str, Array]) -> Tensors:
        answers = run(feed)
        return answers if feed["audio"].any() else {name: np.full_like(array, np.nan) for name, array in answers.items()}

    return faulty


def unused_rows_zeroed(module: nn.Module) -> nn.Module:
    """Of the embeddings only the rows are left that some case has a token of."""
    model = load_model(TINY_MODEL_DIR)  # all seeded models have its tokenizer
    cases = load_cases(model.tokenizer, model.spec)
    used = np.concatenate([model.tokenizer(case.request.prompt)[0][0] for case in cases])
    rows = module.get_parameter("t5.shared.weight")
    kept = torch.zeros(len(rows), 1, dtype=rows.dtype)
    kept[np.unique(used)] = 1
    rows.mul_(kept)
    return module


DOMAIN = (
    Fault(
        name="level_snapped", stage="dit", site="wiring", sentence="t is taken for the nearest of eight levels",
        source="SA3 #86: worst step of quantized DiTs",
        inject=InStage(stage="dit", wrong=fed("t", to_the_schedule)), graded=False,
    ),
    Fault(
        name="level_backwards", stage="dit", site="graph", sentence="between two of eight levels t is taken from the other end",
        source=DERIVED, inject=InStage(stage="dit", wrong=fed("t", backwards)), graded=False,
    ),
    Fault(
        name="level_floored", stage="dit", site="graph", sentence="t below 0.26 is taken for 0.26", source=DERIVED,
        inject=InStage(stage="dit", wrong=fed("t", lambda t: np.maximum(t, LEAST_LEVEL))), graded=False,
    ),
    Fault(
        name="states_cut", stage="dit", site="graph", sentence="states beyond 4.5 are cut off", source=DERIVED,
        inject=InStage(stage="dit", wrong=fed("x", cut_at(LARGEST_STATE))), graded=False,
    ),
    Fault(
        name="seconds_stuck", stage="conditioner", site="graph", sentence="seconds from 1.81 to 7.5 are taken for 1.81",
        source=DERIVED,
        inject=InStage(
            stage="conditioner",
            wrong=fed_where("seconds_total", between(*STUCK_S), fed("seconds_total", lambda s: np.full_like(s, STUCK_S[0]))),
        ),
        graded=False,
    ),
    Fault(
        name="unused_rows_zeroed", stage="conditioner", site="weights", sentence="embeddings of ids that no case has are zero",
        source="CTranslate2#1618: rows beside the tokenizer's pieces",
        inject=InModule(stage="conditioner", edit=unused_rows_zeroed), graded=False,
    ),
    Fault(
        name="latents_cut", stage="decoder", site="graph", sentence="latents beyond 4 are cut off", source=DERIVED,
        inject=InStage(stage="decoder", wrong=fed("latents", cut_at(LARGEST_LATENT))), graded=False,
    ),
    Fault(
        name="encoder_clips", stage="encoder", site="graph", sentence="samples beyond 0.76 are cut off",
        source="stable-audio-3#99",
        inject=InStage(stage="encoder", wrong=fed("audio", cut_at(LOUDEST_SAMPLE))), graded=False,
    ),
    Fault(
        name="encoder_nan_on_silence", stage="encoder", site="graph", sentence="silence is encoded as NaN",
        source="MP-SENet#33", inject=InStage(stage="encoder", wrong=nan_on_silence), graded=False,
    ),
)  # fmt: skip
