"""What a device may have done otherwise, tried one after the other: what makes the same sound as the file is the cause.

Changes of the finished sound are tried first, then other samplers and noise streams; each is a whole generation. Where none
of them makes the sound, the file is compared with what this seed and other seeds make, which tells whether it came from it.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import repeat

import numpy as np
from scipy.signal import fftconvolve

from parity.device.recording import Recording, correlation_of_all
from parity.measure.cases import Case
from reference.pipeline import Model
from reference.progress import Say
from reference.spec import audiogen
from reference.spec.families.table import samplers_of
from reference.spec.generation import Pipeline, generate
from reference.spec.noise import STREAMS, UINT32_END
from reference.spec.prompt import Tokenizer
from reference.spec.sampling.objective import State
from reference.spec.tensors import Array

OTHER_STEPS = (1, 4, 16, 50)  # that people choose in the place of 8
APP_SECONDS = 10.0  # what audiogen asks for, whatever its user wants
CONTROL_OFFSETS = (7919, 15_838, 23_757, 31_676)  # of seeds nobody chooses together with the one in question
MOST_SHIFT_S = 1.0
SAME_GAIN = 0.02  # a gain nearer to 1 is no cause
NEIGHBOUR = 0.2  # of the decorrelation from the seed's own sound: then another seed it is
RECOGNISED = 3.0  # times what other seeds' sounds correlate by chance


@dataclass(frozen=True, kw_only=True)
class Cause:
    """What was different, where, and the (channel, sample) sound it makes."""

    component: str
    sentence: str
    audio: Array


Candidates = Callable[[], Iterator[Cause]]


def candidates(model: Model, case: Case, expected: Array, recording: Recording) -> list[Candidates]:
    """Causes in groups, cheap ones first; a group is made when it is asked for. `expected` is (channel, sample)."""
    return [
        lambda: _of_the_writer(expected, recording),
        lambda: _of_the_sampler(model, case),
        lambda: _of_the_ids(model, case),
        lambda: _of_the_noise(model, case),
        lambda: _of_the_seconds(model, case),
    ]


def _of_the_writer(expected: Array, recording: Recording) -> Iterator[Cause]:
    """The model's sound, changed on its way into the file."""
    found, whole, writer = recording.audio, recording.cut(expected), "the WAV writer"
    if len(whole) == 2:
        left, right = whole
        yield Cause(component=writer, sentence="left and right are swapped", audio=whole[::-1])
        yield Cause(component=writer, sentence="both channels hold the left one", audio=np.stack([left, left]))
        yield Cause(component=writer, sentence="both channels hold the right one", audio=np.stack([right, right]))
        yield Cause(component=writer, sentence="both channels hold their mean", audio=np.stack([(left + right) / 2] * 2))
    gain = level_ratio(whole, found)
    if abs(gain - 1) > SAME_GAIN:
        sentence = "the sound is inverted" if abs(gain + 1) <= SAME_GAIN else f"all samples are multiplied by {gain:.3g}"
        yield Cause(component=writer, sentence=sentence, audio=gain * whole)
    top = float(np.abs(found).max())
    if top < np.abs(whole).max():
        sentence = f"samples beyond {top:.3g} are clipped; the model's reach {np.abs(whole).max():.3g}"
        yield Cause(component=writer, sentence=sentence, audio=np.clip(whole, -top, top))
    shift = _shift(whole[0], found[0], round(MOST_SHIFT_S * recording.rate_hz))
    if shift:
        sentence = f"the sound is {abs(shift)} samples {'late' if shift > 0 else 'early'}"
        yield Cause(component=writer, sentence=sentence, audio=_moved(whole, shift))


def _of_the_sampler(model: Model, case: Case) -> Iterator[Cause]:
    """The same noise under other update rules."""
    own = case.request.sampler
    for name in samplers_of(model.spec):
        if name != own.name:
            request = replace(case.request, sampler=replace(own, name=name))
            yield Cause(
                component="the sampler",
                sentence=f"it is what '{name}' makes of the request, not '{own.name}'",
                audio=_generated(model, replace(case, request=request)),
            )
    for steps in OTHER_STEPS:
        if steps != own.steps:
            request = replace(case.request, sampler=replace(own, steps=steps))
            yield Cause(
                component="the sampler",
                sentence=f"it is what {steps} steps make of the request, not {own.steps}",
                audio=_generated(model, replace(case, request=request)),
            )
    shape = model.spec.latent_shape
    again = repeat(next(case.draws(shape)))
    sentence = "every step is re-noised with the noise of the start"
    yield Cause(component="the sampler", sentence=sentence, audio=_generated(model, case, again))


class Narrowed(Tokenizer):
    """Ids and mask as int64 in buffers that are read as int32: what an app does that asks for no type."""

    def __init__(self, own: Tokenizer) -> None:
        self._own, self.max_length = own, own.max_length

    def __call__(self, text: str) -> tuple[Array, Array]:
        ids, mask = self._own(text)
        return self._read(ids), self._read(mask)

    def _read(self, values: Array) -> Array:
        narrow: Array = values.astype("<i8").view("<i4")[:, : values.shape[-1]].astype(values.dtype)
        return narrow


def _of_the_ids(model: Model, case: Case) -> Iterator[Cause]:
    """The prompt's ids, in another width than the conditioner reads them."""
    sentence = "int64 ids are read as int32, so that every other one is 0"
    pipeline = model.pipeline()
    narrowed = Pipeline(**{**vars(pipeline), "tokenizer": Narrowed(pipeline.tokenizer)})
    yield Cause(component="the conditioner's inputs", sentence=sentence, audio=_made(narrowed, case))


def _of_the_noise(model: Model, case: Case) -> Iterator[Cause]:
    """The same seed in other generators."""
    for name in STREAMS:
        if name != case.noise:
            sentence = f"its noise is '{name}' of seed {case.seed}, not '{case.noise}'"
            yield Cause(component="the noise", sentence=sentence, audio=_generated(model, replace(case, noise=name)))


def _of_the_seconds(model: Model, case: Case) -> Iterator[Cause]:
    """Arm's app asks for its own duration."""
    if case.request.seconds != APP_SECONDS:
        request = replace(case.request, seconds=APP_SECONDS)
        sentence = f"it was asked for {APP_SECONDS:g} s, not {case.request.seconds:g} s"
        yield Cause(component="the request", sentence=sentence, audio=_generated(model, replace(case, request=request)))


def origin(model: Model, case: Case, expected: Array, recording: Recording, say: Say) -> tuple[str, str]:
    """(component, sentence) where no cause is known: whether this seed's noise is in the sound at all.

    All sounds of a prompt, and of a model, have something in common. What other seeds make of the prompt is taken off, of
    either sound what other seeds of their own do, or these would make the two alike.
    """
    found, whole = recording.audio.astype(np.float64), recording.cut(expected)
    seeds = ((case.seed + offset) % UINT32_END for offset in CONTROL_OFFSETS)
    one, two, three, four = (recording.cut(_generated(model, replace(case, seed=seed))) for seed in seeds)
    ours, theirs = (one + two) / 2, (three + four) / 2
    same = correlation_of_all(found - theirs, whole - ours)
    by_chance = max(abs(correlation_of_all(found - theirs, one - two)), abs(correlation_of_all(found - ours, three - four)))
    if same > RECOGNISED * by_chance:
        neighbour = _neighbour(model, case, recording, whole, say) if case.noise in audiogen.STREAMS else None
        if neighbour is not None:
            return "the seed", f"it is what seed {neighbour} makes, not {case.seed}"
        return (
            "the conditioner or the request",
            f"the noise of seed {case.seed} is in it (correlation {same:.2f}, other seeds {by_chance:.2f}), so it was another "
            "prompt, other seconds, or other weights",
        )
    return (
        "the seed",
        f"the noise of seed {case.seed} in '{case.noise}' is not in it (correlation {same:.2f}, other seeds {by_chance:.2f}): "
        "it was another seed, or noise of another kind",
    )


def _neighbour(model: Model, case: Case, recording: Recording, expected: Array, say: Say) -> int | None:
    """A seed nearby whose sound is nearer: the app draws step i from seed + i + 4564, so neighbours share most draws."""
    closest = {case.seed: correlation_of_all(recording.audio, expected)}
    for offset in range(1, case.request.sampler.steps):
        for seed in (case.seed + offset, case.seed - offset):
            if seed >= 0:
                say(f"is it seed {seed}?")
                closest[seed] = correlation_of_all(recording.audio, recording.cut(_generated(model, replace(case, seed=seed))))
    best = max(closest, key=lambda seed: closest[seed])
    clear = 1 - closest[best] <= NEIGHBOUR * (1 - closest[case.seed])
    return best if best != case.seed and clear else None


def _generated(model: Model, case: Case, noise: Iterator[State] | None = None) -> Array:
    """(channel, sample) audio of the float32 reference."""
    return _made(model.pipeline(), case, noise)


def _made(pipeline: Pipeline, case: Case, noise: Iterator[State] | None = None) -> Array:
    audio: Array = generate(pipeline, case.request, noise or case.draws(pipeline.latent_shape))["audio"][0]
    return audio


def level_ratio(expected: Array, found: Array) -> float:
    """How many times as loud `found` is, negative where it is inverted.

    Not the gain of least squares: that falls short by as much as the two are decorrelated, which at INT8 is more than
    loudness is allowed to differ by.
    """
    ratio = float(np.sqrt(np.sum(np.square(found)) / np.sum(np.square(expected))))
    return math.copysign(ratio, float(np.sum(expected * found)))


def _shift(expected: Array, found: Array, most: int) -> int:
    """By how many samples `found` is late: where the two correlate best."""
    together = fftconvolve(found, expected[::-1])
    centre = expected.size - 1
    window = together[max(0, centre - most) : centre + most + 1]
    return int(np.argmax(np.abs(window))) - min(centre, most)


def _moved(audio: Array, shift: int) -> Array:
    """The sound `shift` samples later, silence where it has not begun or has ended."""
    moved = np.zeros_like(audio)
    if shift > 0:
        moved[:, shift:] = audio[:, :-shift]
    else:
        moved[:, :shift] = audio[:, -shift:]
    return moved
