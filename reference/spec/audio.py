"""Float audio to WAV and back."""

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from reference.spec.errors import InputError
from reference.spec.files import new_file, require_content
from reference.spec.model import MOST_RATE_HZ
from reference.spec.tensors import Array

_IEEE_FLOAT = 3
# What a file of chunks begins with: the order of its bytes, and which chunk the samples are in.
CONTAINERS = {
    (b"RIFF", b"WAVE"): ("<", b"data"), (b"RIFX", b"WAVE"): (">", b"data"), (b"RF64", b"WAVE"): ("<", b"data"),
    (b"FORM", b"AIFF"): (">", b"SSND"), (b"FORM", b"AIFC"): (">", b"SSND"),
}  # fmt: skip
LONG_SIZES = b"ds64"  # sizes of an RF64, which its chunks have no room for
LEAST_RATE_HZ = 1000
UNFINISHED = (0, 0xFFFFFFFF)  # what writers put where they do not know yet how long it gets
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


def sound_name(path: Path) -> str | bytes:
    """What soundfile opens a file by: a name that is no text, such as an old archive leaves, by its bytes."""
    name = os.fsencode(path)
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name


def require_sound(path: Path) -> None:
    """Raise InputError for what libsndfile tells in words of its own, or not at all: a file that is missing, one whose content
    is kept elsewhere, and a WAV that was not written to its end."""
    require_content(path)
    _require_finished(path)


def read_wav(path: Path) -> tuple[Array, int]:
    """`(audio, sample_rate_hz)` of any sound file libsndfile reads; audio is float32 (channel, sample).

    Raises InputError for a file that is missing, no sound file, of a rate that no sound has, empty, or holds NaN or infinity.
    """
    require_sound(path)
    try:
        data, sample_rate_hz = soundfile.read(sound_name(path), dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise InputError(f"{path}: not a readable sound file ({error}); expected a WAV") from None
    if not LEAST_RATE_HZ <= sample_rate_hz <= MOST_RATE_HZ:
        expected = f"expected {LEAST_RATE_HZ} to {MOST_RATE_HZ}"
        raise InputError(f"{path}: its header says {sample_rate_hz} samples a second, {expected}; write it again")
    if not data.size:
        raise InputError(f"{path}: holds no samples; expected a sound file with audio in it")
    if not np.isfinite(data).all():
        raise InputError(f"{path}: holds NaN or infinity; expected finite samples, write it again")
    return np.ascontiguousarray(data.T), int(sample_rate_hz)


def _require_finished(path: Path) -> None:
    """Raise InputError for a WAV whose writer was killed, or that was cut off: libsndfile reads what happens to be there."""
    with path.open("rb") as stream:
        declared, left = _samples_bytes(stream, stream.seek(0, os.SEEK_END))
    if declared in UNFINISHED and left:
        says = f"{left} bytes follow, it says {declared}"
        raise InputError(f"{path}: has a header that was never finished ({says}); write it again")
    if declared > left:
        says = f"{left} bytes of samples, its header says {declared}"
        raise InputError(f"{path}: is cut off ({says}); copy or write it again")


def _samples_bytes(stream: BinaryIO, size: int) -> tuple[int, int]:
    """How long the header of a sound in chunks says that its samples are, and how much follows it; 0 and 0 of other files."""
    stream.seek(0)
    form, _, kind = (stream.read(4) for _ in range(3))
    order, wanted = CONTAINERS.get((form, kind), ("<", b""))
    long_one = None
    while wanted and len(head := stream.read(8)) == 8:
        name, declared = struct.unpack(f"{order}4sI", head)
        if name == wanted:
            return declared if long_one is None else long_one, size - stream.tell()
        if name == LONG_SIZES and declared >= 16:
            _, long_one = struct.unpack("<QQ", stream.read(16))
            declared -= 16
        stream.seek(declared + declared % 2, os.SEEK_CUR)
    return 0, 0


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
