"""What is to be replaced is tried before any work: whether it can be moved away, and it stays where it is."""

import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from reference.spec import replaced
from reference.spec.errors import InputError
from reference.spec.files import check_file, check_folder, new_file

CONTENT = "ours.txt"

REFUSED = {errno.EPERM: "Operation not permitted", errno.EBUSY: "Device or resource busy", errno.EROFS: "Read-only file system"}
CHECKS: dict[str, Callable[[Path], None]] = {
    "a file": lambda path: check_file(path, force=True, reads=()),
    "a folder": lambda path: check_folder(path, "report", force=True),
}


def made(tmp_path: Path, what: str) -> Path:
    """An empty file or folder, reached by a link if it is a folder."""
    there = tmp_path / "there"
    if what == "a file":
        there.touch()
        return there
    there.mkdir()
    (tmp_path / "link").symlink_to("there")
    return tmp_path / "link"


@pytest.mark.parametrize("what", CHECKS)
@pytest.mark.parametrize("number", REFUSED)
def test_what_cannot_be_moved_away_is_told_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, what: str
) -> None:
    """A mount, what is immutable, somebody else's folder in a sticky one: the system is made to say so."""
    path, rename = made(tmp_path, what), os.rename

    def refusing(source: Path, target: Path) -> None:
        if Path(source) == tmp_path / "there":
            raise OSError(number, os.strerror(number))
        rename(source, target)

    monkeypatch.setattr(os, "rename", refusing)
    with pytest.raises(InputError) as told:
        CHECKS[what](path)
    assert str(told.value) == f"{path}: cannot be replaced ({REFUSED[number]}); choose another path, or remove it"
    assert {one.name for one in tmp_path.iterdir()} <= {"there", "link"}


def test_a_system_that_moves_it_all_the_same_moves_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, rename = made(tmp_path, "a folder"), os.rename

    def obliging(source: Path, target: Path) -> None:
        shutil.rmtree(target, ignore_errors=True)
        rename(source, target)

    (path / CONTENT).write_text("ours")
    monkeypatch.setattr(os, "rename", obliging)
    replaced.require_movable(tmp_path / "there", path)
    assert [one.name for one in sorted(tmp_path.iterdir())] == ["link", "there"]
    assert (path / CONTENT).read_text() == "ours"


@pytest.mark.parametrize("what", CHECKS)
def test_a_mount_of_the_same_disk_is_told_before_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    (tmp_path / "a b").mkdir()
    path = made(tmp_path / "a b", what)
    mounts = tmp_path / "mountinfo"
    there = str(tmp_path / "a b" / "there").replace(" ", "\\040")
    mounts.write_text(f"22 1 254:0 / / rw - ext4 /dev/vda rw\n31 22 254:0 /src {there} rw - ext4 /dev/vda rw\n")
    monkeypatch.setattr(replaced, "MOUNTS", mounts)
    (tmp_path / "by a link").symlink_to("a b")
    for asked in (path, tmp_path / "by a link" / path.name):
        with pytest.raises(InputError, match=f"^{asked}: is a mount, which cannot be replaced"):
            CHECKS[what](asked)


def test_a_link_is_replaced_and_not_what_it_leads_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which may be what nobody can move; it stays as it is."""
    path, rename = made(tmp_path, "a file").with_name("link"), os.rename
    path.symlink_to("there")

    def refusing(source: Path, target: Path) -> None:
        if Path(source) == tmp_path / "there":
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        rename(source, target)

    monkeypatch.setattr(os, "rename", refusing)
    check_file(path, force=True, reads=())
    with new_file(path, force=True) as file:
        file.write_text("ours")
    assert (path.is_symlink(), (tmp_path / "there").read_bytes()) == (False, b"")


@pytest.mark.parametrize("target", ["there", "gone"])
def test_a_link_that_cannot_be_moved_away_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    path, rename = made(tmp_path, "a file").with_name("link"), os.rename
    path.symlink_to(target)

    def refusing(source: Path, target: Path) -> None:
        if Path(source) == path:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        rename(source, target)

    monkeypatch.setattr(os, "rename", refusing)
    with pytest.raises(InputError, match=rf"^{path}: cannot be replaced \(Operation not permitted\)"):
        check_file(path, force=True, reads=())


@pytest.mark.parametrize("what", CHECKS)
def test_what_is_tried_is_never_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Not even for a moment, in which this process may be killed."""
    path, rename = made(tmp_path, what), os.rename
    moved: list[tuple[Path, Path]] = []

    def noting(source: Path, target: Path) -> None:
        rename(source, target)
        moved.append((source, target))

    monkeypatch.setattr(os, "rename", noting)
    CHECKS[what](path)
    assert moved == []


@pytest.mark.parametrize("what", CHECKS)
def test_where_nothing_can_be_made_beside_what_is_there_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def refusing(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), "a name that nobody chose")

    path = made(tmp_path, what)
    monkeypatch.setattr(tempfile, "mkdtemp", refusing)
    with pytest.raises(InputError, match=rf"^{path}: cannot be made \({os.strerror(errno.EDQUOT)}\)"):
        CHECKS[what](path)


@pytest.mark.parametrize("what", CHECKS)
def test_a_system_that_does_not_say_what_is_mounted_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setattr(replaced, "MOUNTS", tmp_path / "none")
    CHECKS[what](made(tmp_path, what))
