"""Float audio to WAV and back."""

import struct
from pathlib import Path

import numpy as np
import soundfile

from reference.spec.errors import InputError
from reference.spec.files import new_file
from reference.spec.tensors import Array

_IEEE_FLOAT = 3


def write_wav(path: Path, audio: Array, sample_rate_hz: int, force: bool = False) -> None:
    """Write (channel, sample) audio as a 32-bit float WAV with the plain 44-byte header.

    Written by hand because libsndfile puts the time of day into float WAVs (a PEAK chunk), and equal audio must
    give equal files. Nothing is clipped: a float WAV keeps what exceeds full scale.
    """
    data = np.ascontiguousarray(audio.T, dtype="<f4")
    channels = data.shape[1]
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + data.nbytes, b"WAVE"),
        *(b"fmt ", 16, _IEEE_FLOAT, channels, sample_rate_hz, sample_rate_hz * channels * 4, channels * 4, 32),
        *(b"data", data.nbytes),
    )
    with new_file(path, force) as temporary:
        temporary.write_bytes(header + data.tobytes())


def read_wav(path: Path) -> tuple[Array, int]:
    """`(audio, sample_rate_hz)` of any sound file libsndfile reads; audio is float32 (channel, sample)."""
    try:
        data, sample_rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise InputError(f"{path}: not a readable sound file ({error}); expected a WAV") from None
    return np.ascontiguousarray(data.T), int(sample_rate_hz)
