"""Sound files that cannot be taken: missing, damaged, cut off, of nothing that tells its end."""

import errno
import os
import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from reference.spec.audio import read_wav, write_wav
from reference.spec.errors import InputError
from reference.test_audio import RATE_HZ, ROUND_TRIP, noise

BAD_FILES = {
    "not a sound file": (lambda path: path.write_bytes(b"hello"), "not a readable sound file"),
    "missing": (lambda path: None, "cannot be read"),
    "empty": (lambda path: write_wav(path, np.zeros((2, 0), np.float32), RATE_HZ), "holds no samples"),
    "a pipe": (os.mkfifo, "is a pipe or a device; expected a file"),
    "endless": (lambda path: path.symlink_to("/dev/zero"), "is a pipe or a device; expected a file"),
    "a folder": (lambda path: path.mkdir(), "is a folder; expected a file"),
    "a link to itself": (lambda path: path.symlink_to(path), "cannot be read"),
    "a sample a second": (lambda path: write_wav(path, noise(), 1), "says 1 samples a second, expected 1000 to 1048576"),
    "a rate of no sound": (lambda path: write_wav(path, noise(), 2**28), "says 268435456 samples a second, expected 1000"),
    "beyond float32": (
        lambda path: soundfile.write(path, noise().T.astype("f8") * 1e300, RATE_HZ, "DOUBLE"), "holds NaN or infinity",
    ),
    "nan": (lambda path: write_wav(path, np.full((2, 3), np.nan, np.float32), RATE_HZ), "holds NaN or infinity"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_sound_files_are_refused(tmp_path: Path, name: str) -> None:
    write, words = BAD_FILES[name]
    write(tmp_path / "in.wav")
    with pytest.raises(InputError, match=words):
        read_wav(tmp_path / "in.wav")


UNREADABLE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "never finished, zero": (
        lambda wav: wav[:40] + b"\0\0\0\0" + wav[44:], "has a header that was never finished (800 bytes follow, it says 0)",
    ),
    "never finished, most": (
        lambda wav: wav[:40] + b"\xff" * 4 + wav[44:], "has a header that was never finished (800 bytes follow",
    ),
    "cut off": (lambda wav: wav[:-100], "is cut off (700 bytes of samples, its header says 800)"),
    "cut off, behind a chunk": (lambda wav: wav[:36] + b"LIST\3\0\0\0abc\0" + wav[36:-8], "is cut off (792 bytes of samples"),
    "a pointer": (lambda wav: b"version https://git-lfs.github.com/spec/v1\n", "is a pointer to a file in Git LFS"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_wav_that_is_not_whole_is_told(tmp_path: Path, name: str) -> None:
    change, words = UNREADABLE[name]
    path = tmp_path / "x.wav"
    write_wav(path, np.zeros((2, 100), np.float32), 44100)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match=re.escape(f"{path}: {words}")):
        read_wav(path)


FORMS = [("RF64", "FILE"), ("WAV", "BIG"), ("WAVEX", "FILE"), ("AIFF", "FILE"), ("AIFF", "LITTLE")]


@pytest.mark.parametrize(("form", "endian"), FORMS)
def test_other_forms_that_are_cut_off_are_told_and_whole_ones_read(tmp_path: Path, form: str, endian: str) -> None:
    path = tmp_path / "x.wav"
    soundfile.write(path, noise().T, RATE_HZ, "PCM_16", endian, form)
    assert np.abs(read_wav(path)[0] - noise()).max() <= ROUND_TRIP["pcm16"]
    os.truncate(path, path.stat().st_size - 100)
    with pytest.raises(InputError, match=r"x\.wav: is cut off \(39\d\d bytes of samples, its header says 400"):
        read_wav(path)


OTHER_FORMATS = {
    "AU": "PCM_16", "CAF": "PCM_16", "FLAC": "PCM_16", "MP3": "MPEG_LAYER_III", "OGG": "VORBIS", "SVX": "PCM_16", "VOC": "PCM_16",
    "W64": "FLOAT",
}  # fmt: skip
CUT = r"x\.wav: (is cut off \(|ends before its header says|not a readable sound file)"


@pytest.mark.parametrize("left_out", [100, 1500])
@pytest.mark.parametrize("form", OTHER_FORMATS)
def test_other_formats_that_are_cut_off_are_told_and_whole_ones_read(tmp_path: Path, form: str, left_out: int) -> None:
    path, sound = tmp_path / "x.wav", noise(1, 8000)
    soundfile.write(path, sound.T, RATE_HZ, OTHER_FORMATS[form], format=form)
    assert read_wav(path)[0].shape == sound.shape
    os.truncate(path, path.stat().st_size - left_out)
    with pytest.raises(InputError, match=CUT):
        read_wav(path)


@pytest.mark.parametrize("form", ["AVR", "IRCAM", "NIST", "PAF", "PVF"])
def test_formats_of_which_nothing_tells_the_end_are_told(tmp_path: Path, form: str) -> None:
    soundfile.write(tmp_path / "x.wav", noise().T, RATE_HZ, "PCM_16", format=form)
    with pytest.raises(InputError, match=rf"x\.wav: is a {form} file, of which nothing tells whether it is whole; make a WAV"):
        read_wav(tmp_path / "x.wav")


@pytest.mark.parametrize("size", [0, 99, 2**20, 2**32 - 1])
def test_a_wrong_size_of_the_whole_is_no_matter_where_the_samples_are_there(tmp_path: Path, size: int) -> None:
    write_wav(tmp_path / "x.wav", noise(), RATE_HZ)
    data = (tmp_path / "x.wav").read_bytes()
    (tmp_path / "x.wav").write_bytes(data[:4] + struct.pack("<I", size) + data[8:])
    assert np.array_equal(read_wav(tmp_path / "x.wav")[0], noise())


def test_an_ogg_that_lacks_its_last_page_is_told(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.ogg", noise(1, 80_000).T, RATE_HZ, "VORBIS", format="OGG")
    data = (tmp_path / "x.ogg").read_bytes()
    (tmp_path / "x.ogg").write_bytes(data[: data.rfind(b"OggS")])
    with pytest.raises(InputError, match=r"x\.ogg: is cut off \(Ogg: Last page lacks an end-of-stream bit\.\)"):
        read_wav(tmp_path / "x.ogg")


LONG_SIZES_AT = 12  # behind the two names that a file begins with, and the size of the whole
SHORTER: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "ends within": (lambda data: data[: LONG_SIZES_AT + 8 + 4], "not a readable sound file"),
    "holds one": (
        lambda data: data[:LONG_SIZES_AT] + b"ds64" + struct.pack("<IQ", 8, 4000) + data[LONG_SIZES_AT + 8 + 28 :],
        "has a header that was never finished (4000 bytes follow",
    ),
}


@pytest.mark.parametrize("name", SHORTER)
def test_an_rf64_without_its_long_sizes_is_told(tmp_path: Path, name: str) -> None:
    change, words = SHORTER[name]
    path = tmp_path / "x.wav"
    soundfile.write(path, noise().T, RATE_HZ, "PCM_16", format="RF64")
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match=re.escape(f"{path}: {words}")):
        read_wav(path)


def test_a_name_that_is_no_text_is_read(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff.wav")
    write_wav(path, noise(), RATE_HZ)
    assert np.array_equal(read_wav(path)[0], noise())


def test_other_chunks_and_other_formats_are_read(tmp_path: Path) -> None:
    sound = np.full((2, 100), 0.5, np.float32)
    write_wav(tmp_path / "x.wav", sound, 44100)
    data = (tmp_path / "x.wav").read_bytes()
    (tmp_path / "more.wav").write_bytes(data[:36] + b"LIST\3\0\0\0abc\0" + data[36:] + b"LIST\2\0\0\0ab")
    soundfile.write(tmp_path / "x.flac", sound.T, 44100)
    for name in ("more.wav", "x.flac"):
        assert np.array_equal(read_wav(tmp_path / name)[0], sound)


def test_a_file_one_may_not_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    (tmp_path / "x.wav").touch()
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match=r"x\.wav: cannot be read \(Permission denied\); expected a file, and the right"):
        read_wav(tmp_path / "x.wav")
