"""A disk without room is told by the path that was asked for or, where temporary files fill it, by theirs."""

import errno
import os
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest

from reference.spec.errors import EXIT_NOT_JUDGED, InputError, exit_with_one_line, is_temporary
from reference.spec.files import check_folder, new_file, new_folder

CONTENT = "ours.txt"


def test_a_disk_that_is_full_is_told_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2**20))
    with pytest.raises(InputError, match="out: 1 MiB are free there"), new_folder(tmp_path / "out", "report", force=False):
        pytest.fail("work has begun")


def test_a_disk_that_becomes_full_is_told_by_the_path_that_was_asked_for(tmp_path: Path) -> None:
    def fill() -> None:
        with new_folder(tmp_path / "out", "report", force=False) as folder:
            (folder / CONTENT).write_text("half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(InputError, match=rf"out: cannot be written .*{tempfile.gettempdir()} \(TMPDIR\)"):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_of_the_file_that_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"z\.npy: cannot be written"), new_file(tmp_path / "z.npy", force=False):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert list(tmp_path.iterdir()) == []


def test_elsewhere_a_full_disk_names_the_temporary_folder(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "/full")
    with pytest.raises(SystemExit) as left, exit_with_one_line():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert left.value.code == EXIT_NOT_JUDGED
    assert capsys.readouterr().err.startswith("error: /full (TMPDIR) or where it writes: No space left on device; free some")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


def test_a_temporary_disk_that_is_full_is_told_before_any_work(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2**20 if path == temporary else 2**40))
    told = rf"^{temporary} \(TMPDIR\): 1 MiB are free there, expected 64 at least; free some space, or set TMPDIR"
    with pytest.raises(InputError, match=told), new_folder(temporary.parent / "out", "report", force=False):
        pytest.fail("work has begun")


def test_where_no_temporary_file_can_be_made_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> NoReturn:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in [...]")

    monkeypatch.setattr(tempfile, "gettempdir", none)
    monkeypatch.setenv("TMPDIR", "/full")
    with pytest.raises(InputError, match=r"^/full \(TMPDIR\): No usable temporary directory"):
        check_folder(tmp_path / "out", "report", force=False)


def copied(source: Path, target: Path) -> NoReturn:
    """What a copy says on a full disk: what it reads first, and then what it writes."""
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(source), None, str(target))


def test_a_copy_that_fills_the_temporary_disk_names_it(temporary: Path) -> None:
    source = temporary.parent / "int8" / "dit.tflite"
    told = rf"^{temporary} \(TMPDIR\): No space left on device; free some space, or set TMPDIR"
    with pytest.raises(InputError, match=told), new_folder(temporary.parent / "out", "report", force=False):
        copied(source, temporary / "tmp1" / "dit.tflite")
    told = r"out: cannot be written \(.*/half: No space"
    with pytest.raises(InputError, match=told), new_folder(temporary.parent / "out", "report", force=False) as folder:
        copied(source, folder / "half")
    with pytest.raises(InputError, match=told), new_folder(temporary / "out", "report", force=False) as folder:
        copied(source, folder / "half")  # it lies among temporary files itself


def test_a_place_that_is_told_in_bytes_is_named(temporary: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = rf"^{temporary} \(TMPDIR\): No space left on device"
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fsencode(temporary / "half"))
    with pytest.raises(InputError, match=told), new_file(temporary.parent / "out", force=False):
        raise full
    with pytest.raises(SystemExit), exit_with_one_line():
        raise full
    assert capsys.readouterr().err.startswith(f"error: {temporary} (TMPDIR): No space left on device")


@pytest.mark.parametrize(("target", "told"), [("{temporary}/1/dit.tflite", "{temporary} (TMPDIR)"), ("/disk/out", "/disk/out")])
def test_elsewhere_a_copy_names_what_it_writes(
    temporary: Path, capsys: pytest.CaptureFixture[str], target: str, told: str
) -> None:
    with pytest.raises(SystemExit), exit_with_one_line():
        copied(Path("int8/dit.tflite"), Path(target.format(temporary=temporary)))
    assert capsys.readouterr().err.startswith(f"error: {told.format(temporary=temporary)}: No space left on device; free some")


@pytest.mark.parametrize("place", ["temporary", "link"])
@pytest.mark.parametrize("asked", ["temporary", "link"])
def test_a_temporary_file_is_one_by_a_link_too(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, asked: str, place: str
) -> None:
    (temporary.parent / "link").symlink_to("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary.parent / asked))
    assert is_temporary(temporary.parent / place / "in" / "a.npy")
    assert not is_temporary(temporary.parent / "a.npy")
