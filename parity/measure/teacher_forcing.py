"""The two ladders: what a stage answers when fed the truth, and what a listener gets when the variant feeds itself."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from parity.measure import metrics, shape
from reference.spec.generation import Stage
from reference.spec.sampling.objective import Objective
from reference.spec.stages import CONDITIONER, DECODER, DIT, ENCODER, SAME_DECODER, SAME_ENCODER, STAGE_TABLE, StageRow
from reference.spec.tensors import Array, Tensors
from reference.spec.trace import LEVELS

CONDITIONING = tuple(port.name for port in STAGE_TABLE[CONDITIONER].outputs)
NONFINITE = "nonfinite_values"
ENDS_IN = "latents"  # what a generation's last step leaves
Distance = Callable[[Array, Array], float]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One number about one output of a stage."""

    metric: str
    value: float
    step: int | None = None


def stage_feed(stage: str, truth: Tensors, call: int = 0) -> Tensors:
    """What the truth feeds a stage, float32; a stage of the sampler at that step."""
    return STAGE_TABLE[stage].feed(truth, call)


def teacher_forced(stage: str, run: Stage, truth: Tensors) -> list[Tensors]:
    """The stage's outputs when fed the truth's own inputs, call by call."""
    return [run(stage_feed(stage, truth, call)) for call in range(STAGE_TABLE[stage].calls(truth))]


def measure(
    stage: str, truth: Tensors, outputs: list[Tensors], objective: Objective | None
) -> list[Measurement]:
    """Every judged number about a stage's teacher-forced outputs; where some are not finite, how many, and no distance.

    `objective` is the model's, None of a codec.
    """
    bad = sum(int(np.count_nonzero(~np.isfinite(array))) for output in outputs for array in output.values())
    counted = Measurement(metric=NONFINITE, value=bad)
    if bad:
        return [counted]
    if stage in MEASURES:
        return [counted, *MEASURES[stage](truth, outputs, objective)]
    return [counted, *_every_output(STAGE_TABLE[stage], truth, outputs)]


def _conditioner(truth: Tensors, outputs: list[Tensors], _: object) -> list[Measurement]:
    """The rows of the cross-attention conditioning apart: a fault in one kind drowns among the others. Of the prompt and the
    negative prompt the worse."""
    found = [_conditioned(truth, call, output) for call, output in enumerate(outputs)]
    return [Measurement(metric=name, value=_worst(one[name] for one in found)) for name in found[0]]


def _conditioned(truth: Tensors, call: int, output: Tensors) -> dict[str, float]:
    """The same of one call."""
    row = STAGE_TABLE[CONDITIONER]
    answer, valid = row.truth(truth, call), row.value(truth, "attention_mask", call)[0] == 1
    exact, other = answer["cross_attention_cond"], output["cross_attention_cond"]
    prompt = slice(0, valid.size)
    # Each number is embedded once and handed over twice.
    embedded = zip(exact[0, valid.size :], other[0, valid.size :], strict=True)
    numbers = exact.shape[1] - valid.size
    handed_over = zip(*(np.split(each["global_cond"], numbers, axis=-1) for each in (answer, output)), strict=True)
    return {
        "relative_l2.prompt_rows": metrics.relative_l2(exact[0, prompt][valid], other[0, prompt][valid]),
        "relative_l2.seconds": _worst(metrics.relative_l2(*pair) for pair in (*embedded, *handed_over)),
        "padding_peak": float(np.abs(other[0, prompt][~valid]).max(initial=0.0)),
    }


def _dit(truth: Tensors, outputs: list[Tensors], objective: Objective) -> list[Measurement]:
    """Step by step how far the clean estimate moves, of a guided step's two the one that moves further, and the shape of that
    over all calls. Beside the latents it comes to, or, where there is but one call, the estimate itself: at the first levels that
    is the mean of all that may come, and the smaller the less a prompt says."""
    row = STAGE_TABLE[DIT]
    piece = truth[ENDS_IN] if ENDS_IN in truth else None  # noqa: SIM401  a kit notes what is read of a truth, and get reads nothing
    errors: dict[int, list[float]] = {}
    exact, moved = [], []
    for call, (place, output) in enumerate(zip(row.places(truth), outputs, strict=True)):
        assert place.step is not None, "every call is one of the sampler's"
        level, velocity = float(truth[LEVELS][place.step]), row.truth(truth, call)["velocity"]
        reach = objective.reach(level)
        beside = _denoised(objective, level, row.value(truth, "x", call), velocity) if piece is None else piece
        errors.setdefault(place.step, []).append(metrics.denoised_error(beside, reach, velocity, output["velocity"]))
        scale = reach / np.sqrt(np.mean(np.square(beside, dtype=np.float64)))
        exact.append(scale * velocity[0].astype(np.float64))
        moved.append(scale * output["velocity"][0].astype(np.float64))
    found = [Measurement(metric="denoised_error", value=_worst(both), step=step) for step, both in errors.items()]
    return [*found, *_shape(OF_LATENTS, np.stack(exact), np.stack(moved))]


def _denoised(objective: Objective, level: float, x: Array, output: Array) -> Array:
    """The clean estimate that one answer leads to."""
    return objective.clean(x.astype(output.dtype), level, output)


def _worst(values: Iterable[float]) -> float:
    """The largest; NaN stays NaN."""
    return float(np.max(list(values)))


def _decoder(truth: Tensors, outputs: list[Tensors], _: object) -> list[Measurement]:
    return _shape(OF_SOUND, truth["audio"][0], outputs[0]["audio"][0])


def _encoder(truth: Tensors, outputs: list[Tensors], _: object, *, name: str = "init_latents") -> list[Measurement]:
    exact, other = truth[name], outputs[0][name]
    whole = Measurement(metric="relative_l2", value=metrics.relative_l2(exact, other))
    return [whole, *_shape(OF_LATENTS, exact[0], other[0])]


def _shape(distances: Mapping[str, Distance], exact: Array, other: Array) -> list[Measurement]:
    return [Measurement(metric=name, value=distance(exact, other)) for name, distance in distances.items()]


def _every_output(row: StageRow, truth: Tensors, outputs: list[Tensors]) -> list[Measurement]:
    """What is measured of a stage that has no measures of its own: how far each output is from the truth, call by call."""
    several = len(row.outputs) > 1
    return [
        Measurement(
            metric=f"relative_l2.{name}" if several else "relative_l2",
            value=metrics.relative_l2(exact, output[name]),
            step=place.step,
        )
        for call, (place, output) in enumerate(zip(row.places(truth), outputs, strict=True))
        for name, exact in row.truth(truth, call).items()
    ]


# What is measured of a sound (channel, sample), its channels among each other first, and of latents (..., channel, frame), beside
# how far they are in all.
OF_STEREO: dict[str, Distance] = {"channel_leak": shape.channel_leak, "worst_leak": shape.worst_leak}
OF_SOUND: dict[str, Distance] = {
    "relative_l2": metrics.relative_l2,
    "worst_value": shape.worst_value,
    "worst_window": shape.worst_window,
    "worst_bin": shape.worst_bin,
    "worst_gain": shape.worst_gain,
    "worst_echo": shape.worst_echo,
    "worst_peak": shape.worst_peak,
    **OF_STEREO,
}
OF_LATENTS: dict[str, Distance] = {
    "worst_value": shape.worst_value,
    "worst_frame": partial(shape.worst_window, width=1),
    "worst_channel": shape.worst_channel,
    "worst_gain": partial(shape.worst_gain, blocks=1),
}

# Of stages whose outputs have more to them than a distance.
MEASURES: dict[str, Callable[[Tensors, list[Tensors], Any], list[Measurement]]] = {
    CONDITIONER: _conditioner,
    DIT: _dit,
    DECODER: _decoder,
    ENCODER: _encoder,
    SAME_ENCODER: partial(_encoder, name="latents"),
    SAME_DECODER: _decoder,
}


def unequal_numbers(first: Tensors, again: Tensors) -> int:
    """How many values of the same outputs differ; zero has no sign here, and NaN equals NaN."""
    pairs = [(first[name], again[name]) for name in first]
    return sum(int(np.count_nonzero(~((one == two) | (np.isnan(one) & np.isnan(two))))) for one, two in pairs)


def unequal_values(first: list[Tensors], again: list[Tensors]) -> int:
    """How many values two runs of the same stage disagree on, bit for bit."""
    return sum(
        int(np.count_nonzero(one[name].view(np.uint32) != two[name].view(np.uint32)))
        for one, two in zip(first, again, strict=True)
        for name in one
    )
