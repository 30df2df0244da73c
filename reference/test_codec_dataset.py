"""A folder of sound files: which of them are taken, and why one is left out."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from reference.spec.codec.dataset import RejectedError, caption, open_sound, sound_files
from reference.spec.tensors import Array

RATE_HZ = 44100
LOUD = np.full((500, 2), 0.5)


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
    assert "44101 Hz has too little in common with 44100 Hz" in reason(write(tmp_path, LOUD, rate_hz=44101))


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
