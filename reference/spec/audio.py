"""Float audio to WAV and back."""

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

from reference.spec.errors import InputError
from reference.spec.files import new_file
from reference.spec.sound_info import require_length, sound_info, sound_name, unreadable
from reference.spec.tensors import Array

_IEEE_FLOAT = 3
PCM_SUBTYPES = {"pcm16": "PCM_16", "pcm24": "PCM_24"}
ENCODINGS = ("float32", *PCM_SUBTYPES)
Append = Callable[[Array], object]  # takes (channel, sample) audio


def write_wav(path: Path, audio: Array, sample_rate_hz: int, force: bool = False, encoding: str = "float32") -> None:
    """Write (channel, sample) audio as a WAV of one of `ENCODINGS`.

    Float keeps what exceeds full scale; PCM clips it, and rounds to the nearest step.
    """
    channels, samples = audio.shape
    with new_wav(path, channels, samples, sample_rate_hz, force, encoding) as append:
        append(audio)


@contextmanager
def new_wav(
    path: Path, channels: int, samples: int, sample_rate_hz: int, force: bool = False, encoding: str = "float32"
) -> Iterator[Append]:
    """A WAV of so many samples to be, written piece after piece; nothing is left of it if the block ends badly."""
    with new_file(path, force) as temporary:
        if encoding == "float32":
            with temporary.open("wb") as stream:
                stream.write(_float_header(channels, samples, sample_rate_hz))
                yield lambda audio: stream.write(np.ascontiguousarray(audio.T, dtype="<f4").data)
        else:
            subtype = PCM_SUBTYPES[encoding]
            with _blaming(path):
                sound = soundfile.SoundFile(sound_name(temporary), "w", sample_rate_hz, channels, subtype, format="WAV")

            def append(audio: Array) -> None:
                with _blaming(path):
                    sound.write(audio.T)

            with sound:
                yield append


@contextmanager
def _blaming(path: Path) -> Iterator[None]:
    """What libsndfile cannot write is said of `path`; of a full disk it says no more than that there is an error."""
    try:
        yield
    except (soundfile.SoundFileError, AssertionError) as error:  # soundfile asserts that all was written
        raise InputError(f"{path}: cannot be written ({error}); is the disk full?") from None


def _float_header(channels: int, samples: int, sample_rate_hz: int) -> bytes:
    """The plain 44 bytes before the samples of a 32-bit float WAV.

    Made by hand because libsndfile puts the time of day into float WAVs (a PEAK chunk), and equal audio must give
    equal files.
    """
    size = channels * samples * 4
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + size, b"WAVE"),
        *(b"fmt ", 16, _IEEE_FLOAT, channels, sample_rate_hz, sample_rate_hz * channels * 4, channels * 4, 32),
        *(b"data", size),
    )


def read_wav(path: Path) -> tuple[Array, int]:
    """`(audio, sample_rate_hz)` of a sound file; audio is float32 (channel, sample).

    Raises InputError as `sound_info`, for a file that is damaged, and for one that holds NaN or infinity.
    """
    said = sound_info(path)
    try:
        data, sample_rate_hz = soundfile.read(sound_name(path), dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise unreadable(path, error) from None
    require_length(path, len(data), said.samples)
    if not np.isfinite(data).all():
        raise InputError(f"{path}: holds NaN or infinity; expected finite samples, write it again")
    return np.ascontiguousarray(data.T), int(sample_rate_hz)


def fitted(audio: Array, rate_hz: int, wanted_rate_hz: int, shape: tuple[int, ...]) -> Array:
    """(channel, sample) audio as a model takes it: float32 of `shape` (1, channel, sample) at `wanted_rate_hz`.

    Resampled (soxr, very high quality), mono doubled, channels beyond the wanted left out, mixed down for a mono
    model; then cut, or continued with silence. The rules of stable-audio-tools `prepare_audio`, whose resampler is
    torchaudio's.
    """
    _, channels, samples = shape
    if rate_hz != wanted_rate_hz:
        import soxr  # here because generating from noise does without

        audio = soxr.resample(audio.T, rate_hz, wanted_rate_hz, quality="VHQ").T
    if channels == 1:
        audio = audio.mean(axis=0, keepdims=True)
    elif audio.shape[0] == 1:
        audio = np.repeat(audio, channels, axis=0)
    if audio.shape[0] < channels:
        raise InputError(f"init audio has {audio.shape[0]} channels, the model takes {channels}; give it that or mono")
    window = np.zeros(shape, np.float32)
    kept = audio[:channels, :samples]
    window[0, :, : kept.shape[1]] = kept
    return window


def trimmed(audio: Array, sample_rate_hz: int, seconds: float) -> Array:
    """(channel, sample) audio cut to `seconds`, or whole where it is shorter; at least one sample."""
    return audio[:, : max(1, round(seconds * sample_rate_hz))]
