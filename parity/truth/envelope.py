"""How far apart two correct generations may drift: the truth's own response to errors such as a variant's.

Ping-pong amplifies small differences, so a fixed limit on the final audio is either blind or wrong. Instead the
reference generates again, `draws` times, with every stage's output disturbed by as much as the variant erred when fed
the truth. The variant's audio has to lie near that cloud: within a factor of the distance that `QUANTILE` of the draws
stay below. A quantile, because the furthest of many draws says more about their number than about the model.

The disturbance is what the variant did wrong on the truth's inputs, its sign drawn anew for every output and step. White
noise of the same size would not do: quantized weights change gain and stereo image, a rounded T5 shifts a prompt as a
whole, and noise leaves all that alone.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from parity.measure.cases import Case
from parity.measure.metrics import relative_l2
from parity.measure.portraits import audible_distances, portrait
from parity.truth.traces import Truth
from reference.pipeline import Model
from reference.spec.generation import Stage, generate
from reference.spec.stages import CONDITIONER, DECODER, DIT, GENERATION
from reference.spec.tensors import Array, Tensors

Found = dict[str, dict[str, float]]  # distances by stage and metric
DRAWS = 32
LARGE_DRAWS = 4  # where one takes half a minute; below half of what 32 say in 3 of 100 drawings, over 254 envelopes
QUANTILE = 0.9


@dataclass(frozen=True, kw_only=True)
class OwnErrors:
    """What a variant adds to each output when fed the truth: by output name, one array or one per DiT step.

    `sizes` are their relative L2 norms, capped by the budgets, so that a fault does not widen its own envelope.
    """

    arrays: Mapping[str, list[Array]]
    sizes: Mapping[str, list[float]]


class Distances:
    """What the free-running ladder judges: how far a generation is from a truth, by stage and metric."""

    def __init__(self, truth: Tensors, sample_rate_hz: int) -> None:
        self._latents, self._rate_hz = truth["latents"], sample_rate_hz
        self._portrait = portrait(truth["audio"][0], sample_rate_hz)

    def __call__(self, other: Tensors) -> Found:
        return {
            DIT: {"latents_relative_l2": relative_l2(self._latents, other["latents"])},
            DECODER: audible_distances(self._portrait, portrait(other["audio"][0], self._rate_hz)),
        }


def draws(model: Model) -> int:
    """How often the reference generates again."""
    return LARGE_DRAWS if model.large else DRAWS


def envelope(
    truths: Truth, case: Case, errors: OwnErrors, measure: Callable[[Tensors], Found] | None = None, measured: str = "all"
) -> Found:
    """The `QUANTILE` of the draws' distances from the truth, by stage and metric.

    `measure` gives a trace's distances, `Distances` unless it is given, and `measured` says what it follows from.
    """
    described = {
        **truths.described(case),
        "kind": "envelope",
        "draws": draws(truths.model),
        "measured": measured,
        "sizes": dict(errors.sizes),
        "errors": {name: [_hash(array) for array in arrays] for name, arrays in errors.arrays.items()},
    }
    distances = measure or Distances(truths.trace(case), truths.model.spec.sample_rate_hz)
    drawn = truths.store.kept(described, lambda: _drawn(truths.model, case, distances, errors))
    cloud: Found = {}
    for name, found in drawn.items():
        stage, _, metric = name.partition(".")
        cloud.setdefault(stage, {})[metric] = float(np.quantile(found, QUANTILE))
    return cloud


def _drawn(model: Model, case: Case, distances: Callable[[Tensors], Found], errors: OwnErrors) -> Tensors:
    """`stage.metric` to the distance of every draw, by the float32 reference.

    All are sampled before the first is decoded, and the conditioner runs once: at full size no two stages are held.
    """
    drawn: dict[str, list[float]] = {}
    pipeline, sampled = model.pipeline(), []
    pipeline = replace(pipeline, stages={**pipeline.stages, CONDITIONER: _once(pipeline.stages[CONDITIONER])})
    for draw in range(draws(model)):
        rng = np.random.Generator(np.random.Philox(key=[case.seed, draw]))
        stages = _disturbed(pipeline.stages, errors, rng)
        undecoded = replace(pipeline, stages={**stages, DECODER: lambda feed: {"audio": feed["latents"]}})
        trace = generate(undecoded, case.request, case.draws(pipeline.latent_shape))
        sampled.append((trace["latents"], stages[DECODER]))
    for latents, decode in sampled:
        for stage, by_metric in distances({"latents": latents, **decode({"latents": latents})}).items():
            for metric, value in by_metric.items():
                drawn.setdefault(f"{stage}.{metric}", []).append(value)
    return {name: np.array(found) for name, found in drawn.items()}


def _once(run: Stage) -> Stage:
    """A stage that is always asked the same, and answers what it answered first."""
    answers: list[Tensors] = []

    def remembered(feed: Mapping[str, Array]) -> Tensors:
        if not answers:
            answers.append(run(feed))
        return answers[0]

    return remembered


def _disturbed(stages: Mapping[str, Stage], errors: OwnErrors, rng: np.random.Generator) -> dict[str, Stage]:
    """The same stages, what they put out disturbed; the DiT by the errors of the step it is at."""
    drawn = {
        name: iter([(rng.choice((-1.0, 1.0)) * array, size) for array, size in zip(arrays, errors.sizes[name], strict=True)])
        for name, arrays in errors.arrays.items()
    }

    def wrapped(run: Stage) -> Stage:
        return lambda feed: {name: _moved(array, *next(drawn[name])) for name, array in run(feed).items()}

    return {stage: wrapped(stages[stage]) for stage in GENERATION}


def _moved(array: Array, error: Array, size: float) -> Array:
    """`array` plus an error of relative L2 `size` and the shape of `error`; nothing where that is zero."""
    length = float(np.linalg.norm(error))
    scale = size * float(np.linalg.norm(array.astype(np.float64))) / length if length else 0.0
    moved: Array = (array + scale * error).astype(np.float32)
    return moved


def _hash(array: Array) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()
