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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from parity.measure.cases import Case
from parity.measure.metrics import relative_l2
from parity.measure.portraits import audible_distances, portrait
from parity.truth.disturbed import Disturbed, OwnErrors
from parity.truth.traces import Truth
from reference.pipeline import Model
from reference.spec.stages import DECODER, DIT
from reference.spec.tensors import Array, Tensors

Found = dict[str, dict[str, float]]  # distances by stage and metric
DRAWS = 32
LARGE_DRAWS = 4  # where one takes half a minute; below half of what 32 say in 3 of 100 drawings, over 254 envelopes
QUANTILE = 0.9
SHARE = 16  # draws of a small model that are sampled as one batch
THREADS = 2  # that take a share each


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
        "draws": draws(truths.generator),
        "measured": measured,
        "sizes": dict(errors.sizes),
        "errors": {name: [_hash(array) for array in arrays] for name, arrays in errors.arrays.items()},
    }
    distances = measure or Distances(truths.trace(case), truths.generator.spec.sample_rate_hz)
    drawn = truths.store.kept(described, lambda: _drawn(truths.generator, case, distances, errors))
    cloud: Found = {}
    for name, found in drawn.items():
        stage, _, metric = name.partition(".")
        cloud.setdefault(stage, {})[metric] = float(np.quantile(found, QUANTILE))
    return cloud


def _drawn(model: Model, case: Case, distances: Callable[[Tensors], Found], errors: OwnErrors) -> Tensors:
    """`stage.metric` to the distance of every draw. A share is computed by one thread, so their number changes no bit."""
    numbers = range(draws(model))

    def of_share(first: int) -> list[Found]:
        share = numbers[first : first + SHARE]
        generation = Disturbed(model, case, errors, share)
        return [distances(generation(place)) for place in range(len(share))]

    with ThreadPoolExecutor(1 if model.large else THREADS) as pool:
        measured = [found for share in pool.map(of_share, numbers[::SHARE]) for found in share]
    return {
        f"{stage}.{metric}": np.array([found[stage][metric] for found in measured])
        for stage, by_metric in measured[0].items()
        for metric in by_metric
    }


def _hash(array: Array) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()
