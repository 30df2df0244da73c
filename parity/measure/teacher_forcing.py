"""The two ladders: what a stage answers when fed the truth, and what a listener gets when the variant feeds itself."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from parity.measure import metrics
from reference.spec.generation import Stage, dit_feed
from reference.spec.tensors import Array, Tensors

CONDITIONING = ("cross_attention_cond", "global_cond")
NONFINITE = "nonfinite_values"


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One number about one output of a stage."""

    metric: str
    value: float
    step: int | None = None


def stage_feed(stage: str, truth: Tensors, step: int = 0) -> Tensors:
    """What the truth feeds a stage, float32; the DiT at `step`."""
    feed = float32_inputs(truth)
    if stage != "dit":
        return feed
    return dit_feed(feed[f"x_{step}"], float(feed["levels"][step]), {name: feed[name] for name in CONDITIONING})


def teacher_forced(stage: str, run: Stage, truth: Tensors) -> list[Tensors]:
    """The stage's outputs when fed the truth's own inputs: one dict, or one per step for the DiT."""
    steps = len(truth["levels"]) - 1 if stage == "dit" else 1
    return [run(stage_feed(stage, truth, step)) for step in range(steps)]


def float32_inputs(truth: Tensors) -> Tensors:
    """The truth's tensors as they cross between stages."""
    return {name: array.astype(np.float32) if array.dtype.kind == "f" else array for name, array in truth.items()}


def measure(stage: str, truth: Tensors, outputs: list[Tensors]) -> list[Measurement]:
    """Every judged number about a stage's teacher-forced outputs; where some are not finite, how many, and no distance."""
    bad = sum(int(np.count_nonzero(~np.isfinite(array))) for output in outputs for array in output.values())
    counted = Measurement(metric=NONFINITE, value=bad)
    return [counted] if bad else [counted, *MEASURES[stage](truth, outputs)]


def _conditioner(truth: Tensors, outputs: list[Tensors]) -> list[Measurement]:
    """The rows of the cross-attention conditioning apart: a fault in one kind drowns among the others."""
    exact, other = truth["cross_attention_cond"], outputs[0]["cross_attention_cond"]
    valid = truth["attention_mask"][0] == 1
    prompt, seconds = slice(0, valid.size), slice(valid.size, None)
    text = metrics.relative_l2(exact[0, prompt][valid], other[0, prompt][valid])
    # One number, embedded once and handed over twice.
    embedded = metrics.relative_l2(exact[0, seconds], other[0, seconds])
    handed_over = metrics.relative_l2(truth["global_cond"], outputs[0]["global_cond"])
    padding = float(np.abs(other[0, prompt][~valid]).max(initial=0.0))
    return [
        Measurement(metric="relative_l2.prompt_rows", value=text),
        Measurement(metric="relative_l2.seconds", value=float(np.maximum(embedded, handed_over))),  # keeps NaN
        Measurement(metric="padding_peak", value=padding),
    ]


def _dit(truth: Tensors, outputs: list[Tensors]) -> list[Measurement]:
    found = []
    for step, output in enumerate(outputs):
        velocity, level = truth[f"v_{step}"], float(truth["levels"][step])
        error = metrics.denoised_error(truth[f"denoised_{step}"], level, velocity, output["velocity"])
        found.append(Measurement(metric="denoised_error", value=error, step=step))
    return found


def _decoder(truth: Tensors, outputs: list[Tensors]) -> list[Measurement]:
    audio, other = truth["audio"][0], outputs[0]["audio"][0]
    found: dict[str, Callable[[Array, Array], float]] = {
        "relative_l2": metrics.relative_l2,
        "peak_difference": metrics.peak_difference,
        "dc_difference": metrics.dc_difference,
        "stereo_difference": metrics.stereo_difference,
    }
    return [Measurement(metric=name, value=metric(audio, other)) for name, metric in found.items()]


def _encoder(truth: Tensors, outputs: list[Tensors]) -> list[Measurement]:
    latents, other = truth["init_latents"], outputs[0]["init_latents"]
    return [Measurement(metric="relative_l2", value=metrics.relative_l2(latents, other))]


MEASURES: dict[str, Callable[[Tensors, list[Tensors]], list[Measurement]]] = {
    "conditioner": _conditioner,
    "dit": _dit,
    "decoder": _decoder,
    "encoder": _encoder,
}


def unequal_values(first: list[Tensors], again: list[Tensors]) -> int:
    """How many values two runs of the same stage disagree on, bit for bit."""
    return sum(
        int(np.count_nonzero(one[name].view(np.uint32) != two[name].view(np.uint32)))
        for one, two in zip(first, again, strict=True)
        for name in one
    )
