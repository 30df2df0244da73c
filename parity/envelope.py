"""How far apart two correct generations may drift: the truth's own response to noise of a variant's size.

Ping-pong amplifies small differences, so a fixed limit on the final audio is either blind or wrong. Instead the
reference generates again, `DRAWS` times, with every stage's output disturbed by as much as the variant erred when fed
the truth. The variant's audio has to lie near that cloud: within a factor of the distance that `QUANTILE` of the draws
stay below. A quantile, because the furthest of many draws says more about their number than about the model.

Conditioning and velocities are disturbed by seeded white noise. The decoder's error is heard as it is, and it is not
white: quantized weights change gain and stereo image, which white noise of the same size leaves alone. So the audio is
disturbed by the error itself, its sign drawn.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from parity import metrics
from parity.cases import Case
from parity.truth import Truth
from reference.spec.generation import Pipeline, Stage, generate
from reference.spec.noise import philox
from reference.spec.tensors import Array, Tensors

DRAWS = 32
QUANTILE = 0.9


@dataclass(frozen=True, kw_only=True)
class ErrorSizes:
    """Relative L2 error of each stage output, per DiT step, as measured teacher-forced and capped by its budget.

    `audio_error` is the decoder's error as a waveform; only its shape counts, its size is `audio`'s.
    """

    conditioning: Mapping[str, float]
    velocity: tuple[float, ...]
    audio: float
    audio_error: Array


def distances(truth: Tensors, other: Tensors, sample_rate_hz: int) -> dict[str, dict[str, float]]:
    """What the free-running ladder judges, by stage and metric."""
    audio, heard = truth["audio"][0], other["audio"][0]
    return {
        "dit": {"latents_relative_l2": metrics.relative_l2(truth["latents"], other["latents"])},
        "decoder": metrics.listening_distances(audio, heard, sample_rate_hz),
    }


def envelope(truths: Truth, case: Case, sizes: ErrorSizes) -> dict[str, dict[str, float]]:
    """The `QUANTILE` of the draws' distances from the truth, by stage and metric."""
    described = {
        **truths.described(case),
        "kind": "envelope",
        "draws": DRAWS,
        "sizes": [dict(sizes.conditioning), sizes.velocity, sizes.audio],
        "audio_error": hashlib.sha256(sizes.audio_error.tobytes()).hexdigest(),
    }
    drawn = truths.store.kept(described, lambda: _drawn(truths.model.pipeline(), case, truths.trace(case), sizes))
    cloud: dict[str, dict[str, float]] = {}
    for name, found in drawn.items():
        stage, _, metric = name.partition(".")
        cloud.setdefault(stage, {})[metric] = float(np.quantile(found, QUANTILE))
    return cloud


def _drawn(pipeline: Pipeline, case: Case, truth: Tensors, sizes: ErrorSizes) -> Tensors:
    """`stage.metric` to the distance of every draw. `pipeline` is the float32 reference."""
    drawn: dict[str, list[float]] = {}
    for draw in range(DRAWS):
        rng = np.random.Generator(np.random.Philox(key=[case.seed, draw]))
        noise = philox(pipeline.latent_shape, case.seed)
        disturbed = replace(pipeline, stages=dict(_disturbed(pipeline.stages, sizes, rng)))
        found = distances(truth, generate(disturbed, case.request, noise), pipeline.sample_rate_hz)
        for stage, by_metric in found.items():
            for metric, value in by_metric.items():
                drawn.setdefault(f"{stage}.{metric}", []).append(value)
    return {name: np.array(found) for name, found in drawn.items()}


def _disturbed(stages: Mapping[str, Stage], sizes: ErrorSizes, rng: np.random.Generator) -> Iterator[tuple[str, Stage]]:
    """The same stages, their outputs disturbed; the DiT's by the size of the step it is at."""
    steps = iter(sizes.velocity)

    def conditioner(feed: Mapping[str, Array]) -> Tensors:
        outputs = stages["conditioner"](feed)
        return {name: _noisy(array, sizes.conditioning[name], rng) for name, array in outputs.items()}

    def dit(feed: Mapping[str, Array]) -> Tensors:
        return {"velocity": _noisy(stages["dit"](feed)["velocity"], next(steps), rng)}

    def decoder(feed: Mapping[str, Array]) -> Tensors:
        audio = stages["decoder"](feed)["audio"]
        sign = rng.choice([-1.0, 1.0])
        return {"audio": _disturbed_by(audio, sizes.audio, sign * sizes.audio_error)}

    yield from {"conditioner": conditioner, "dit": dit, "decoder": decoder}.items()


def _noisy(array: Array, size: float, rng: np.random.Generator) -> Array:
    """`array` plus white noise of relative L2 `size`."""
    return _disturbed_by(array, size, rng.standard_normal(array.shape))


def _disturbed_by(array: Array, size: float, error: Array) -> Array:
    """`array` plus an error of relative L2 `size` and the shape of `error`; nothing where that is zero."""
    length = float(np.linalg.norm(error))
    scale = size * float(np.linalg.norm(array.astype(np.float64))) / length if length else 0.0
    disturbed: Array = (array + scale * error).astype(np.float32)
    return disturbed
