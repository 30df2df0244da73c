"""A folder of sound files: which of them are taken, and why one is left out."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from reference.spec.audio import read_wav, write_wav
from reference.spec.codec.dataset import RejectedError, caption, open_sound, sound_files
from reference.spec.codec.shape import CodecShape
from reference.spec.codec.sound_file import open_sound_file
from reference.spec.tensors import Array

RATE_HZ = 44100
LOUD = np.full((500, 2), 0.5)
SHAPE = CodecShape(
    sample_rate_hz=RATE_HZ, audio_channels=2, latent_channels=20, ratio=272, alignment=2, encode_reach=1, decode_reach=2
)


def write(folder: Path, audio: Array, rate_hz: int = RATE_HZ) -> Path:
    soundfile.write(folder / "a.wav", audio, rate_hz, subtype="FLOAT")
    return folder / "a.wav"


def reason(path: Path, start: int = 0, stop: int = 100) -> str:
    """Why a file is left out."""
    with pytest.raises(RejectedError) as told:
        open_sound(path, RATE_HZ, 2).read(start, stop)
    return str(told.value)


def test_sound_files_are_files_of_such_names_that_are_not_hidden(tmp_path: Path) -> None:
    (tmp_path / "folder.wav").mkdir()
    for name in ("b.OPUS", "a.mp3", ".hidden.wav", "c.txt", "folder.wav/d.aif", ".trash.wav"):
        (tmp_path / name).write_bytes(b"")
    assert [path.relative_to(tmp_path).as_posix() for path in sound_files(tmp_path)] == ["a.mp3", "b.OPUS", "folder.wav/d.aif"]


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    data, outside = tmp_path / "data", tmp_path / "outside"
    data.mkdir()
    outside.mkdir()
    (outside / "a.wav").write_bytes(b"")
    (data / "linked").symlink_to(outside)
    (data / "around").symlink_to(data)
    (outside / "back").symlink_to(data)
    (data / "gone.wav").symlink_to("nowhere.wav")
    assert [path.relative_to(data).as_posix() for path in sound_files(data)] == ["gone.wav", "linked/a.wav"]
    (data / "gone.txt").write_text("a caption")
    assert reason(data / "gone.wav").startswith("cannot be read")


def test_a_name_that_is_no_text_is_a_name(tmp_path: Path) -> None:
    named = tmp_path / os.fsdecode(b"caf\xe9.wav")
    try:
        write(tmp_path, LOUD).rename(named)
    except OSError:
        pytest.skip("this file system takes text alone for names")
    np.testing.assert_array_equal(open_sound(named, RATE_HZ, 2).read(0, 500), LOUD.T)
    assert open_sound_file(named, SHAPE).read(0, 272).shape == (2, 272)
    assert read_wav(named)[0].shape == (2, 500)


@pytest.mark.parametrize(("declared", "words"), [(0xFFFFFFFF, "has a header that was never finished"), (None, "is cut off")])
def test_a_wav_that_was_not_written_to_its_end_is_told(tmp_path: Path, declared: int | None, words: str) -> None:
    """libsndfile takes what there is for all of it."""
    path = tmp_path / "a.wav"
    write_wav(path, LOUD.T, RATE_HZ)
    whole = bytearray(path.read_bytes()[:-800])
    if declared is not None:
        whole[40:44] = struct.pack("<I", declared)
    path.write_bytes(whole)
    assert reason(path).startswith(words)


def test_a_list_s_files_come_sorted_and_its_empty_lines_are_none(tmp_path: Path) -> None:
    (tmp_path / "filelist.txt").write_text("b.wav\n\n  \na.wav \n", encoding="utf-8")
    assert sound_files(tmp_path) == [tmp_path / "a.wav", tmp_path / "b.wav"]


@pytest.mark.parametrize(("content", "words"), [(None, "has no caption"), (b"\xff", "has a caption that cannot be read")])
def test_a_caption_that_is_none_is_told(tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(RejectedError, match=words):
        caption(tmp_path / "a.wav")


def test_a_folder_for_a_caption_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(RejectedError, match="has a caption that cannot be read"):
        caption(tmp_path / "a.wav")


def test_a_rate_of_its_own_is_told(tmp_path: Path) -> None:
    told = reason(write(tmp_path, LOUD, rate_hz=44101))
    assert told.startswith("cannot be resampled (sample rate 44101 Hz has too little in common with 44100 Hz")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_told(tmp_path: Path, value: float) -> None:
    audio = LOUD.copy()
    audio[40, 1] = value
    assert reason(write(tmp_path, audio)) == "holds NaN or infinity"


@pytest.mark.parametrize("rate_hz", [RATE_HZ, 48000])
def test_a_file_cut_off_since_it_was_opened_is_told(tmp_path: Path, rate_hz: int) -> None:
    sound = open_sound(write(tmp_path, LOUD, rate_hz), RATE_HZ, 2)
    write(tmp_path, LOUD[:90], rate_hz)
    with pytest.raises(RejectedError, match="ends before its header says"):
        sound.read(0, sound.length)
    (tmp_path / "a.wav").write_bytes(b"")
    with pytest.raises(RejectedError, match="cannot be read"):
        sound.read(0, sound.length)


def test_what_is_beyond_full_scale_is_clipped(tmp_path: Path) -> None:
    sound = open_sound(write(tmp_path, 4 * LOUD), RATE_HZ, 2)
    np.testing.assert_array_equal(sound.read(0, 500), np.ones((2, 500)))
