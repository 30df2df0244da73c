"""What a sound file says of itself, looked at before it is read: libsndfile reads what happens to be left of one."""

import os
import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

import soundfile

from reference.spec.errors import InputError
from reference.spec.files import require_content
from reference.spec.model import MOST_RATE_HZ

# What a file of chunks begins with: the order of its bytes, and which chunk the samples are in.
CONTAINERS = {
    (b"RIFF", b"WAVE"): ("<", b"data"), (b"RIFX", b"WAVE"): (">", b"data"), (b"RF64", b"WAVE"): ("<", b"data"),
    (b"FORM", b"AIFF"): (">", b"SSND"), (b"FORM", b"AIFC"): (">", b"SSND"),
}  # fmt: skip
LONG_SIZES = b"ds64"  # sizes of an RF64, which its chunks have no room for
LEAST_RATE_HZ = 1000
UNFINISHED = (0, 0xFFFFFFFF)  # what writers put where they do not know yet how long it gets
# Formats whose end can be told: by the sizes of their chunks (above), by what the decoder finds missing, or by what libsndfile
# notes. It reads others, of samplers and old workstations, and says of none that half of it is missing.
FORMATS = ("AIFF", "AU", "CAF", "FLAC", "MP3", "OGG", "RF64", "SVX", "VOC", "W64", "WAV", "WAVEX")
CUT_OFF_NOTES = ("(should be ", "truncated file", "lacks an end-of-stream bit", "Junk after the last page")


class SoundInfo(NamedTuple):
    """How long a sound is, and what it is made of."""

    samples: int
    rate_hz: int
    channels: int


def sound_info(path: Path) -> SoundInfo:
    """Of any sound file libsndfile reads and whose end can be told.

    Raises InputError for a file that is missing or no sound file, one whose content is kept elsewhere, one that was not written
    to its end or is cut off, of a rate that no sound has, or empty.
    """
    require_content(path)
    in_chunks = _require_finished(path)
    try:
        with soundfile.SoundFile(sound_name(path)) as sound:
            found = SoundInfo(samples=sound.frames, rate_hz=sound.samplerate, channels=sound.channels)
            form, notes = sound.format, sound.extra_info
    except soundfile.SoundFileError as error:
        raise unreadable(path, error) from None
    if form not in FORMATS:
        raise InputError(f"{path}: is a {form} file, of which nothing tells whether it is whole; make a WAV or FLAC of it")
    missed = [line.strip() for line in notes.splitlines() if any(note in line for note in CUT_OFF_NOTES)]
    if missed and not in_chunks:  # of those the size of the whole may be wrong where all samples are there
        raise InputError(f"{path}: is cut off ({missed[0]}); copy or write it again")
    _require_sensible(path, found)
    return found


def _require_sensible(path: Path, found: SoundInfo) -> None:
    if not LEAST_RATE_HZ <= found.rate_hz <= MOST_RATE_HZ:
        expected = f"expected {LEAST_RATE_HZ} to {MOST_RATE_HZ}"
        raise InputError(f"{path}: its header says {found.rate_hz} samples a second, {expected}; write it again")
    if found.samples < 1:
        raise InputError(f"{path}: holds no samples; expected a sound file with audio in it")


def require_length(path: Path, samples: int, expected: int) -> None:
    """Raise InputError where fewer samples were read than a file says it has."""
    if samples != expected:
        raise InputError(f"{path}: ends before its header says; it may be truncated, write it again")


def unreadable(path: Path, error: Exception) -> InputError:
    """What is said of a file that the decoder gives up."""
    return InputError(f"{path}: not a readable sound file ({error}); expected a WAV")


def sound_name(path: Path) -> str | bytes:
    """What soundfile opens a file by: a name that is no text, such as an old archive leaves, by its bytes."""
    name = os.fsencode(path)
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name


def _require_finished(path: Path) -> bool:
    """Raise InputError for a file of chunks whose writer was killed, or that was cut off; whether it is one."""
    with path.open("rb") as stream:
        sizes = _samples_bytes(stream, stream.seek(0, os.SEEK_END))
    if sizes is None:
        return False
    declared, left = sizes
    if declared in UNFINISHED and left:
        says = f"{left} bytes follow, it says {declared}"
        raise InputError(f"{path}: has a header that was never finished ({says}); write it again")
    if declared > left:
        says = f"{left} bytes of samples, its header says {declared}"
        raise InputError(f"{path}: is cut off ({says}); copy or write it again")
    return True


def _samples_bytes(stream: BinaryIO, size: int) -> tuple[int, int] | None:
    """How long the header of a sound in chunks says that its samples are, and how much follows it; None of other files,
    and of those that end before it."""
    stream.seek(0)
    form, _, kind = (stream.read(4) for _ in range(3))
    if (form, kind) not in CONTAINERS:
        return None
    order, wanted = CONTAINERS[form, kind]
    long_one = None
    while len(head := stream.read(8)) == 8:
        name, declared = struct.unpack(f"{order}4sI", head)
        if name == wanted:
            return declared if long_one is None else long_one, size - stream.tell()
        behind = stream.tell() + declared + declared % 2
        if name == LONG_SIZES and declared >= 16 and len(sizes := stream.read(16)) == 16:
            _, long_one = struct.unpack("<QQ", sizes)
        stream.seek(behind)
    return None
