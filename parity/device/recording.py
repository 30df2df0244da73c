"""A sound file from a device beside the sound the reference makes of the same request."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from parity.measure.metrics import correlation
from parity.measure.portraits import Portrait, audible_distances, portrait
from reference.spec.audio import read_wav
from reference.spec.errors import InputError
from reference.spec.stages import DECODER
from reference.spec.tensors import Array, Tensors

LEAST_S = 0.4  # what is shorter says little of loudness and envelope
STEPS = {"PCM_16": 2.0**-15, "PCM_24": 2.0**-23, "PCM_U8": 2.0**-7}  # one unit of the encodings that round


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What a file holds: (channel, sample) audio, its rate, and the step its encoding rounds to (0: float)."""

    audio: Array
    rate_hz: int
    step: float

    def cut(self, audio: Array) -> Array:
        """(channel, sample) audio as long as the file's at most, in float64."""
        return audio[:, : self.audio.shape[1]].astype(np.float64)

    def stored(self, audio: Array) -> list[Array]:
        """(channel, sample) audio cut like the file's, in every way writers put it into such an encoding.

        Some round, some drop the rest; for some 1 is 32768 units of a 16-bit file, for some 32767. None clips here: a device
        that does has lost something.
        """
        cut = self.cut(audio)
        if not self.step:
            return [cut]
        units = (cut / self.step, cut / self.step * (1 - self.step))
        return [to_integer(unit) * self.step for unit in units for to_integer in (np.round, np.trunc)]


def read_recording(path: Path) -> Recording:
    """Raises InputError for a file that is no sound, holds NaN, or is too short to compare."""
    audio, rate_hz = read_wav(path)
    step = STEPS.get(soundfile.info(path).subtype, 0.0)
    if audio.shape[1] < LEAST_S * rate_hz:
        seconds = audio.shape[1] / rate_hz
        raise InputError(f"{path}: is {seconds:.2f} s long; sounds are compared over {LEAST_S} s at least")
    return Recording(audio=audio, rate_hz=rate_hz, step=step)


def correlation_of_all(one: Array, two: Array) -> float:
    """Correlation of all samples."""
    return correlation(one.astype(np.float64).ravel(), two.astype(np.float64).ravel())


def leaps(expected: Array, found: Array) -> Array:
    """By how much each sample of the difference of two (channel, sample) sounds is off the mean of its neighbours, 0 at the ends:
    a single wrong sample is a whole leap there, while what is heard as noise or as another sound hardly leaps."""
    apart = found.astype(np.float64) - expected
    leaping: Array = np.zeros_like(apart)
    leaping[:, 1:-1] = apart[:, 1:-1] - (apart[:, :-2] + apart[:, 2:]) / 2
    return leaping


def worst_click(expected: Array, found: Array) -> float:
    """The highest leap beside their root mean square; 0 of equal sounds."""
    sizes = np.abs(leaps(expected, found))
    usual = float(np.sqrt(np.mean(sizes**2)))
    return float(sizes.max()) / usual if usual else 0.0


class Closeness:
    """How far sounds are from one the model made, over the length of a recording and as its encoding stores them."""

    def __init__(self, expected: Array, recording: Recording) -> None:
        self._recording = recording
        self._expected = recording.cut(expected)
        self._portrait = portrait(self._expected, recording.rate_hz)

    def __call__(self, trace: Tensors) -> dict[str, dict[str, float]]:
        """Of a generation, by stage and metric, stored in the least faithful way."""
        found = [self.of(audio) for audio in self._recording.stored(trace["audio"][0])]
        return {DECODER: {metric: max(one[metric] for one in found) for metric in found[0]}}

    def of(self, audio: Array) -> dict[str, float]:
        """Of (channel, sample) audio."""
        heard: Portrait = portrait(audio, self._recording.rate_hz)
        waveform = 1 - correlation_of_all(self._expected, audio)
        return {
            **audible_distances(self._portrait, heard),
            "waveform_decorrelation": waveform,
            "worst_click": worst_click(self._expected, audio),
        }
