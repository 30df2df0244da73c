"""How far apart two correct generations may drift: the truth's own response to noise of a variant's size.

Ping-pong amplifies small differences, so a fixed limit on the final audio is either blind or wrong. Instead the
reference generates again, `DRAWS` times, with every stage's output disturbed by as much as the variant erred when fed
the truth. The variant's audio has to lie inside that cloud.

Conditioning and velocities are disturbed by seeded white noise. The decoder's error is heard as it is, and it is not
white: quantized weights change gain and stereo image, which white noise of the same size leaves alone. So the audio is
disturbed by the error itself, its sign drawn.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from parity import metrics
from parity.cases import Case
from reference.spec.generation import Pipeline, Stage, generate
from reference.spec.noise import philox
from reference.spec.tensors import Array, Tensors

DRAWS = 16


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


def envelope(pipeline: Pipeline, case: Case, truth: Tensors, sizes: ErrorSizes) -> dict[str, dict[str, float]]:
    """The largest distance over all draws, by stage and metric. `pipeline` is the float32 reference."""
    drawn = []
    for draw in range(DRAWS):
        rng = np.random.Generator(np.random.Philox(key=[case.seed, draw]))
        noise = philox(pipeline.latent_shape, case.seed)
        disturbed = replace(pipeline, stages=dict(_disturbed(pipeline.stages, sizes, rng)))
        trace = generate(disturbed, case.request, noise)
        drawn.append(distances(truth, trace, pipeline.sample_rate_hz))
    return {stage: {name: max(found[stage][name] for found in drawn) for name in drawn[0][stage]} for stage in drawn[0]}


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
