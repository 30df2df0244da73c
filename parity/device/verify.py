"""Is this WAV the model's? `python -m parity verify-wav`.

The run is made again by the reference from the device's own noise stream. A device computes in reduced precision, and
ping-pong amplifies that, so the file has to lie near generations disturbed by what such a precision errs by.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from parity.device.causes import Cause, candidates
from parity.device.origin import origin
from parity.device.recording import Closeness, Recording, read_recording
from parity.judge.held import envelope_why
from parity.judge.judge import Judge
from parity.measure.budget import YARDSTICK
from parity.measure.cases import Case
from parity.measure.limits import ENVELOPE_FACTOR
from parity.measure.verdict import FREE_RUNNING, Verdict
from parity.truth.disturbed import OwnErrors
from parity.truth.envelope import draws, envelope
from parity.truth.own_errors import own_errors
from parity.truth.store import Store
from reference.progress import Say
from reference.spec.audio import fitted, read_wav
from reference.spec.errors import InputError
from reference.spec.generation import Request
from reference.spec.model import ModelSpec
from reference.spec.sampling.samplers import init_level
from reference.spec.stages import CONDITIONER, DECODER, DIT, ENCODER, GENERATION
from reference.spec.tensors import Array

# What each stage computes in: by the name of a device's mix, the reference at that precision.
MIXES: Mapping[str, Mapping[str, str]] = {
    "fp32": dict.fromkeys((*GENERATION, ENCODER), YARDSTICK),
    "fp16": dict.fromkeys((*GENERATION, ENCODER), "fp16"),
    # Arm's: INT8 DiT, the autoencoder forced to FP16
    "int8": {CONDITIONER: YARDSTICK, DIT: "int8_rows", DECODER: "fp16", ENCODER: "fp16"},
}
SCHEMA = 1  # of what programs read
WAVEFORM, CLICK = "waveform_decorrelation", "worst_click"
UNRELATED = 1.0  # waveform decorrelation of sounds that have nothing in common
# A highest leap beside the usual one is no distance that grows with an error: sounds of 16 disturbed generations at three
# precisions had 6.5 to 10, and clicks of 0.3 in a sound of 0.13 had 28 at INT8.
FACTORS = {CLICK: 2.0}
CLICK_WHY = "twice the highest leap that right sounds of this precision make, beside what is usual in them"
MUCH_NEARER = 0.1  # of the distance without it: a cause that is not the whole truth
CLIPPED = 3  # samples at the very top that may be there by chance


@dataclass(frozen=True, kw_only=True)
class InitAudio:
    """The sound a device started from, and the level of noise it put on it, None for the usual."""

    path: Path
    noise_level: float | None

    def of(self, request: Request, spec: ModelSpec) -> Request:
        """The request from it. Raises InputError for a file that is no sound, and for a level that leaves the transformer nothing
        to do or that the sampler cannot start at."""
        audio = fitted(*read_wav(self.path), spec.sample_rate_hz, spec.audio_shape)
        level = init_level(request.sampler.name, self.noise_level, request.sampler.sigma_min)
        if level == 0:
            raise InputError("init_noise_level is 0, which leaves the transformer nothing to do; expected more than that")
        return replace(request, init_audio=audio, sampler=replace(request.sampler, sigma_max=level))


@dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """The file, and the run it is said to come from."""

    wav: Path
    model: Path
    request: Request
    seed: int
    noise: str
    mix: str
    threads: int
    init_audio: InitAudio | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was measured and, where something failed, what was different."""

    checks: list[Verdict]
    component: str | None = None
    sentence: str | None = None

    @property
    def is_the_model_s(self) -> bool:
        """Whether the file is what the model makes of the request."""
        return self.sentence is None

    def to_json(self) -> dict[str, Any]:
        """All of it, for programs."""
        return {
            "schema": SCHEMA,
            "is_the_models": self.is_the_model_s,
            "different": self.sentence,
            "look_at": self.component,
            "checks": [check.to_json() for check in self.checks],
        }


def verify(options: VerifyOptions, store: Store, say: Say) -> Answer:
    """Judge a WAV. Raises InputError for a file that is no sound, and for a bad model dir."""
    if options.mix not in MIXES:
        raise InputError(f"precision '{options.mix}' is unknown; valid: {', '.join(MIXES)}")
    recording = read_recording(options.wav)
    with Judge.of(options.model, [], options.threads, store) as judge:
        case = _case(options, judge.model.spec)
        odd = _odd(recording, judge.model.spec)
        if odd is not None:
            return Answer(checks=[], component="the WAV writer", sentence=odd)
        say("generating it again with the reference, in float64")
        expected = judge.truth(case)["audio"][0]
        say(f"measuring what {options.mix} may change")
        limits = _limits(judge, case, expected, recording, options.mix)
        if case.encoder_draws_unseen and limits[WAVEFORM] >= UNRELATED:
            raise InputError(
                f"{options.wav}: cannot be told, for what the app's encoder draws nobody sees, and this model's sound changes "
                "with it as with another prompt; give what it drew by --noise FILE.npz (noise_0, encoder_noise, noise_1, ...)"
            )
        why = envelope_why(draws(judge.model))
        checks = [*_closeness(case, expected, recording, limits, why), _clipping(case, expected, recording)]
        if all(check.ok for check in checks):
            return Answer(checks=checks)
        component, sentence = _cause(judge, case, expected, recording, limits, say)
    return Answer(checks=checks, component=component, sentence=sentence)


def _case(options: VerifyOptions, spec: ModelSpec) -> Case:
    request = options.request if options.init_audio is None else options.init_audio.of(options.request, spec)
    return Case(id=options.wav.name, request=request, seed=options.seed, free_running=True, noise=options.noise)


def _odd(recording: Recording, spec: ModelSpec) -> str | None:
    """What is plainly not as the model makes it."""
    channels, samples = recording.audio.shape
    if recording.rate_hz != spec.sample_rate_hz:
        return f"its header says {recording.rate_hz} Hz, the model makes {spec.sample_rate_hz} Hz"
    if channels != spec.audio_channels:
        return f"it has {channels} channel{'s' if channels > 1 else ''}, the model makes {spec.audio_channels}"
    if samples > spec.sample_size:
        return f"it is {samples} samples long, the model makes {spec.sample_size} at most"
    if samples > 1 and not np.ptp(recording.audio, axis=1).any():
        value = float(np.abs(recording.audio).max())
        return "it is silent, every sample is 0" if value == 0 else f"it holds no sound, no channel moves (it stays at {value:g})"
    return None


def _limits(judge: Judge, case: Case, expected: Array, recording: Recording, mix: str) -> dict[str, float]:
    """How far a device of this precision may be from the reference, by metric."""
    measured = f"{recording.audio.shape[1]} samples in steps of {recording.step}"
    errors = _errors(judge, case, MIXES[mix])
    cloud = envelope(judge.truths, case, errors, Closeness(expected, recording), measured)
    return {metric: FACTORS.get(metric, ENVELOPE_FACTOR) * value for metric, value in cloud[DECODER].items()}


def _errors(judge: Judge, case: Case, mix: Mapping[str, str]) -> OwnErrors:
    """What each stage errs by at its precision when fed the truth."""
    stages = GENERATION if case.request.init_audio is None else (*GENERATION, ENCODER)
    return own_errors({stage: judge.answers(stage, mix[stage], case) for stage in stages}, judge.truth(case))


def _closeness(case: Case, expected: Array, recording: Recording, limits: dict[str, float], why: str) -> list[Verdict]:
    found = Closeness(expected, recording).of(recording.audio)
    return [
        Verdict(
            stage=DECODER, variant="device", case=case.id, ladder=FREE_RUNNING, metric=metric, value=value,
            limit=limits[metric], why=CLICK_WHY if metric == CLICK else why,
        )
        for metric, value in found.items()
    ]  # fmt: skip


def _clipping(case: Case, expected: Array, recording: Recording) -> Verdict:
    """Samples at the very top, beside how many the reference has there."""
    there = max(_at_top(whole, recording.step) for whole in recording.stored(expected))
    value = max(0, _at_top(recording.audio, recording.step) - there)
    return Verdict(
        stage=DECODER, variant="device", case=case.id, ladder=FREE_RUNNING, metric="clipped_samples", value=value,
        limit=CLIPPED, why="a sound touches its highest level once; one that is clipped stays there",
    )  # fmt: skip


def _at_top(audio: Array, step: float) -> int:
    top = float(np.abs(audio).max())
    return int(np.count_nonzero(np.abs(audio) >= top - step))


def _cause(
    judge: Judge, case: Case, expected: Array, recording: Recording, limits: dict[str, float], say: Say
) -> tuple[str, str]:
    """The best cause of the first group one of which explains the file, or else one that brings it much nearer."""
    apart = Closeness(expected, recording).of(recording.audio)[WAVEFORM]
    tried: list[tuple[float, Cause]] = []
    for group in candidates(judge.model, case, expected, recording):
        explaining = []
        for cause in group():
            say(f"is it that {cause.sentence}?")
            found = Closeness(cause.audio, recording).of(recording.audio)
            tried.append((found[WAVEFORM], cause))
            if all(found[metric] <= limits[metric] for metric in limits):
                explaining.append(tried[-1])
        if explaining:
            return _told(explaining)
    if min(distance for distance, _ in tried) <= MUCH_NEARER * apart:
        return _told(tried)
    say("comparing it with what other seeds make")
    return origin(judge.model, case, expected, recording, say)


def _told(causes: list[tuple[float, Cause]]) -> tuple[str, str]:
    """(component, sentence) of the one whose sound is nearest."""
    _, best = min(causes, key=lambda pair: pair[0])
    return best.component, best.sentence

