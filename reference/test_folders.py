"""Folders are replaced where they hold nothing but what was written here, by one process at a time, whole or not at all."""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from reference.spec.errors import (
    EXIT_NOT_JUDGED,
    InputError,
    exit_with_one_line,
)
from reference.spec.files import new_file, new_folder
from reference.spec.kinds import WRITTEN
from reference.spec.only_writer import lock_of

CONTENT = "ours.txt"


def write(path: Path, force: bool = True) -> None:
    with new_folder(path, "report", force) as folder:
        (folder / "inside").mkdir()
        (folder / "inside" / CONTENT).write_text("ours")


@pytest.fixture
def written(tmp_path: Path) -> Path:
    write(tmp_path / "out")
    return tmp_path / "out"


def test_what_was_written_here_is_replaced(written: Path) -> None:
    assert json.loads((written / WRITTEN).read_text())["files"] == [f"inside/{CONTENT}"]
    (written / "inside" / CONTENT).write_text("changed")
    write(written)
    assert (written / "inside" / CONTENT).read_text() == "ours"
    assert list(written.parent.iterdir()) == [written]  # no lock, nothing half-written


STRANGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a note": (lambda folder: (folder / "note.txt").write_text("mine"), "note.txt"),
    "a hidden file": (lambda folder: (folder / ".env").write_text("mine"), ".env"),
    "a file beside ours": (lambda folder: (folder / "inside" / "dit.tflite").write_text("mine"), "inside/dit.tflite"),
    "a link": (lambda folder: (folder / "link").symlink_to(folder.parent), "link"),
    "no list": (lambda folder: (folder / WRITTEN).unlink(), f"inside/{CONTENT}"),
    "a damaged list": (lambda folder: (folder / WRITTEN).write_text("{"), f"inside/{CONTENT}"),
    "another list": (lambda folder: (folder / WRITTEN).write_text('{"files": 3}'), f"inside/{CONTENT}"),
    "many": (lambda folder: [(folder / f"{n}").write_text("") for n in range(5)], "0, 1, 2 and 2 more"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_folder_with_what_was_not_written_here_is_kept(written: Path, name: str) -> None:
    add, named = STRANGE[name]
    add(written)
    before = sorted(path.name for path in written.rglob("*"))
    with pytest.raises(InputError) as told:
        write(written)
    words = f"holds what was not written here ({named}), which replacing it would delete; choose another path, or move it away"
    assert str(told.value) == f"{written}: {words}"
    assert sorted(path.name for path in written.rglob("*")) == before


def test_what_came_while_it_was_written_is_kept(written: Path) -> None:
    with pytest.raises(InputError, match="holds what was not written here"), new_folder(written, "report", force=True):
        (written / "note.txt").write_text("mine")
    assert (written / "note.txt").read_text() == "mine"


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write(tmp_path / "out")
    assert (tmp_path / "out" / "inside" / CONTENT).exists()


def test_behind_a_link_the_folder_is_replaced_and_the_link_stays(written: Path) -> None:
    link = written.with_name("link")
    link.symlink_to(written, target_is_directory=True)
    write(link)
    assert link.is_symlink()
    assert (written / "inside" / CONTENT).exists()


PLACES: dict[str, tuple[str, str]] = {
    "here": (".", "is the folder you are in, or one around it"),
    "around": ("..", "is the folder you are in, or one around it"),
    "the root": ("/", "is the folder you are in, or one around it"),
    "a link to nothing": ("dangling", "is a link to nowhere, which is not there"),
    "a file": ("file", "is a file; expected a folder to replace"),
    "a mount": ("mounted", "is a mount, which cannot be replaced"),
    "below a file": ("file/out", "is not a folder; choose another path"),
}


@pytest.mark.parametrize("name", PLACES)
def test_what_cannot_be_replaced_is_told_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    place, words = PLACES[name]
    monkeypatch.chdir(tmp_path)
    Path("dangling").symlink_to("nowhere")
    Path("file").write_text("mine")
    Path("mounted").mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path).name == "mounted")
    with pytest.raises(InputError, match=words), new_folder(Path(place), "report", force=True):
        pytest.fail("work has begun")
    assert Path("file").read_text() == "mine"
    assert Path("dangling").is_symlink()


def test_a_link_to_nothing_is_there_without_force(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("nowhere")
    with pytest.raises(InputError, match="already exists"):
        write(tmp_path / "out", force=False)


def test_two_do_not_write_one_folder(tmp_path: Path) -> None:
    with new_folder(tmp_path / "out", "report", force=True), pytest.raises(InputError, match="another process is writing it"):
        write(tmp_path / "out")
    write(tmp_path / "out")
    lock_of(tmp_path / "out").touch()  # of a process that was killed
    write(tmp_path / "out")


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
