"""What a device may have done otherwise, tried one after the other: what makes the same sound as the file is the cause.

Changes of the finished sound are tried first, then other samplers and noise streams; each is a whole generation. Where none
of them makes the sound, `origin.py` asks whether it came from the seed at all.
"""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import repeat

import numpy as np
from scipy.signal import fftconvolve

from parity.device.recording import Recording, leaps
from parity.device.runs import generated, made
from parity.measure.cases import Case
from reference.pipeline import Model
from reference.spec.families.table import samplers_of
from reference.spec.generation import Pipeline
from reference.spec.noise import STREAMS
from reference.spec.prompt import Tokenizer
from reference.spec.tensors import Array

OTHER_STEPS = (1, 4, 16, 50)  # that people choose in the place of 8
OTHER_SCALES = (3.0, 6.0, 7.0)  # of guidance, that people choose where 1 is right
OTHER_LENGTHS = (64, 128, 512)  # of token rows, that files are converted with
APP_SECONDS = 10.0  # what audiogen asks for, whatever its user wants
MOST_SHIFT_S = 1.0
LEAP, MOST_CLICKS = 10.0, 1e-3  # of the usual leap, and of all samples: right sounds differ by leaps of 7 to 9 at most
SAME_GAIN = 0.02  # a gain nearer to 1 is no cause


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
        lambda: _of_the_guidance(model, case),
        lambda: _of_the_length(model, case),
        lambda: _of_the_ids(model, case),
        lambda: _of_the_noise(model, case),
        lambda: _of_the_request(model, case),
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
    if (clicks := _clicks(whole, found)) is not None:
        places = np.flatnonzero(clicks.any(axis=0))
        sentence = f"single samples leap in {places.size} places, the first at {places[0] / recording.rate_hz:.3f} s"
        yield Cause(component=writer, sentence=sentence, audio=np.where(clicks, found, whole))
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
                audio=generated(model, replace(case, request=request)),
            )
    for steps in OTHER_STEPS:
        if steps != own.steps:
            request = replace(case.request, sampler=replace(own, steps=steps))
            yield Cause(
                component="the sampler",
                sentence=f"it is what {steps} steps make of the request, not {own.steps}",
                audio=generated(model, replace(case, request=request)),
            )
    shape = model.spec.latent_shape
    again = repeat(next(case.draws(shape)))
    sentence = "every step is re-noised with the noise of the start"
    yield Cause(component="the sampler", sentence=sentence, audio=generated(model, case, again))


def _of_the_guidance(model: Model, case: Case) -> Iterator[Cause]:
    """Guidance, which a distilled model is not made for."""
    own = case.request.guidance
    for scale in OTHER_SCALES:
        if scale != own.scale:
            request = replace(case.request, guidance=replace(own, scale=scale))
            sentence = f"it is guided, by a scale of {scale:g} in the place of {own.scale:g}"
            yield Cause(component="the guidance", sentence=sentence, audio=generated(model, replace(case, request=request)))


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
    narrowed = replace(pipeline, tokenizer=Narrowed(pipeline.tokenizer))
    yield Cause(component="the conditioner's inputs", sentence=sentence, audio=made(narrowed, case))


def _of_the_length(model: Model, case: Case) -> Iterator[Cause]:
    """Room for more tokens than the model is given: what is padding there is attended to, and a long prompt is not cut."""
    limit, count = model.spec.prompt.max_length, model.tokenizer.count(case.request.prompt)
    for tokens in sorted({2 * limit, *OTHER_LENGTHS, *([count] if count > limit else [])} - {limit}):
        sentence = f"the conditioner took {tokens} tokens, the model is given {limit}"
        yield Cause(component="the tokenizer", sentence=sentence, audio=made(_with_room(model, tokens), case))


def _with_room(model: Model, tokens: int) -> Pipeline:
    """The model, given as many tokens."""
    own = model.pipeline()
    tokenizer = copy.copy(own.tokenizer)
    tokenizer.max_length = tokens
    spec = replace(model.spec, prompt=replace(model.spec.prompt, max_length=tokens))
    stages = {name: replace(model, spec=spec).stage(name) for name in own.stages}
    return replace(own, tokenizer=tokenizer, stages=stages)


def _of_the_noise(model: Model, case: Case) -> Iterator[Cause]:
    """The same seed in other generators."""
    for name in STREAMS:
        if name != case.noise:
            sentence = f"its noise is '{name}' of seed {case.seed}, not '{case.noise}'"
            yield Cause(component="the noise", sentence=sentence, audio=generated(model, replace(case, noise=name)))


def _of_the_request(model: Model, case: Case) -> Iterator[Cause]:
    """Arm's app asks for its own duration; it starts from noise unless it is given a sound."""
    own = case.request
    if own.seconds != APP_SECONDS:
        request = replace(own, seconds=APP_SECONDS)
        sentence = f"it was asked for {APP_SECONDS:g} s, not {own.seconds:g} s"
        yield Cause(component="the request", sentence=sentence, audio=generated(model, replace(case, request=request)))
    if own.init_audio is not None:
        request = replace(own, init_audio=None, sampler=replace(own.sampler, sigma_max=None))
        sentence = "it does not start from the init audio, but from noise alone"
        yield Cause(component="the request", sentence=sentence, audio=generated(model, replace(case, request=request)))


def _clicks(expected: Array, found: Array) -> Array | None:
    """Which samples leap (channel, sample), each higher than both of its neighbours; None where none or many do."""
    sizes = np.abs(leaps(expected, found))
    there = sizes > LEAP * np.sqrt(np.mean(sizes**2))
    there[:, 1:-1] &= (sizes[:, 1:-1] >= sizes[:, :-2]) & (sizes[:, 1:-1] >= sizes[:, 2:])
    return there if 0 < np.count_nonzero(there) <= MOST_CLICKS * there.size else None


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
