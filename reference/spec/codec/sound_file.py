"""A sound file of any rate and number of channels, read in parts as a codec takes it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from reference.spec.codec.resample import resampled_length, resampled_part
from reference.spec.codec.shape import CodecShape
from reference.spec.codec.waveforms import with_channels
from reference.spec.errors import InputError
from reference.spec.sound_info import require_length, sound_info, sound_name, unreadable
from reference.spec.tensors import Array


@dataclass(frozen=True, kw_only=True)
class SoundFile:
    """`samples` of so many `file_channels` at a rate of the file's own, for a codec of `shape`."""

    path: Path
    samples: int
    rate_hz: int
    file_channels: int
    shape: CodecShape

    @property
    def length(self) -> int:
        """In samples at the codec's rate."""
        return resampled_length(self.samples, self.rate_hz, self.shape.sample_rate_hz)

    def read(self, start: int, stop: int) -> Array:
        """float32 (audio channel, sample) at the codec's rate, silence beyond the end. Raises InputError for a file that is
        damaged, and for NaN or infinity in it."""
        there = resampled_part(
            self._read, self.samples, self.rate_hz, self.shape.sample_rate_hz, start, min(stop, self.length)
        )
        audio = np.zeros((self.shape.audio_channels, stop - start), np.float32)
        audio[:, : there.shape[1]] = with_channels(there, self.shape.audio_channels)
        return audio

    def _read(self, start: int, stop: int) -> Array:
        try:
            data, _ = soundfile.read(sound_name(self.path), start=start, stop=stop, dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, OSError) as error:
            raise unreadable(self.path, error) from None
        require_length(self.path, len(data), stop - start)
        if not np.isfinite(data).all():
            raise InputError(f"{self.path}: holds NaN or infinity; expected finite samples, write it again")
        return np.ascontiguousarray(data.T)


def open_sound_file(path: Path, shape: CodecShape) -> SoundFile:
    """A sound file for a codec. Raises InputError as `sound_info`."""
    samples, rate_hz, channels = sound_info(path)
    return SoundFile(path=path, samples=samples, rate_hz=rate_hz, file_channels=channels, shape=shape)
