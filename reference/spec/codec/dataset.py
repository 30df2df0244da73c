"""A folder of sound files with captions beside them: which there are, and one of them read in part.

Source: `pre_encode_dataset.py` of Stable Audio 3, which finds the same files in the order of the file system.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from reference.spec.codec.resample import resampled_length, resampled_part
from reference.spec.codec.waveforms import with_channels
from reference.spec.errors import InputError
from reference.spec.sound_info import sound_info, sound_name
from reference.spec.tensors import Array

SUFFIXES = (".wav", ".mp3", ".flac", ".ogg", ".aif", ".opus")
FILE_LIST = "filelist.txt"
SILENT = 10 ** (-60 / 20)  # a peak below it is silence


class RejectedError(Exception):
    """Why a file of a data set is left out."""


def sound_files(folder: Path) -> list[Path]:
    """The sound files under a folder, sorted, or those its `filelist.txt` names. Raises InputError if there are none."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected one with sound files in it")
    listed = folder / FILE_LIST
    if listed.is_file():
        try:
            names = [line.strip() for line in listed.read_text(encoding="utf-8").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{listed}: cannot be read ({error}); expected a path on each line, in UTF-8") from None
        found = sorted(folder / name for name in names if name)
    else:
        found = sorted(path for path in _files(folder) if _is_sound(path))
    if not found:
        raise InputError(f"{folder}: holds no sound files; expected some of {', '.join(SUFFIXES)}")
    return found


def _files(folder: Path, around: tuple[Path, ...] = ()) -> Iterator[Path]:
    """What is no folder, in a folder and those in it; links are followed, but for one to a folder `around`. A link to nothing is
    a file that cannot be read."""
    inside = (*around, folder.resolve())
    for path in folder.iterdir():
        if not path.is_dir():
            yield path
        elif path.resolve() not in inside:
            yield from _files(path, inside)


def _is_sound(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def caption(path: Path) -> str:
    """The text beside a sound file. Raises RejectedError if there is none."""
    try:
        return path.with_suffix(".txt").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise RejectedError("has no caption (a .txt file of the same name)") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RejectedError(f"has a caption that cannot be read ({error})") from None


@dataclass(frozen=True, kw_only=True)
class Sound:
    """A sound file as a codec of some rate and number of channels takes it; `length` is in samples at that rate."""

    path: Path
    file_samples: int
    file_rate_hz: int
    rate_hz: int
    channels: int

    @property
    def length(self) -> int:
        return resampled_length(self.file_samples, self.file_rate_hz, self.rate_hz)

    @property
    def seconds(self) -> int:
        """Begun seconds of the whole file."""
        return math.ceil(self.length / self.rate_hz)

    def read(self, start: int, stop: int) -> Array:
        """float32 (channel, sample), clipped at full scale. Raises RejectedError for what is damaged, not finite, or silent."""
        try:
            audio = resampled_part(self._read, self.file_samples, self.file_rate_hz, self.rate_hz, start, stop)
        except InputError as error:
            raise RejectedError(f"cannot be resampled ({error})") from None
        if audio.shape[1] != stop - start:
            raise RejectedError("ends before its header says; it may be truncated")
        if not np.isfinite(audio).all():
            raise RejectedError("holds NaN or infinity")
        if not np.abs(audio).max() >= SILENT:
            raise RejectedError("is silent (its peak is below -60 dBFS)")
        return np.clip(with_channels(audio, self.channels), -1, 1)

    def _read(self, start: int, stop: int) -> Array:
        try:
            data, _ = soundfile.read(sound_name(self.path), start=start, stop=stop, dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, OSError) as error:
            raise RejectedError(f"cannot be read ({error})") from None
        return np.ascontiguousarray(data.T)


def open_sound(path: Path, rate_hz: int, channels: int) -> Sound:
    """A sound file. Raises RejectedError for what is none, or empty."""
    try:
        samples, file_rate_hz, _ = sound_info(path)
    except InputError as error:
        raise RejectedError(str(error).removeprefix(f"{path}: ")) from None
    return Sound(path=path, file_samples=samples, file_rate_hz=file_rate_hz, rate_hz=rate_hz, channels=channels)


def pieces(length: int, sample_size: int, split: bool) -> Iterator[tuple[int, int]]:
    """What is encoded of a sound of so many samples: its first `sample_size`, or all of it in pieces of that."""
    starts = range(0, length, sample_size) if split else (0,)
    return ((start, min(start + sample_size, length)) for start in starts)
