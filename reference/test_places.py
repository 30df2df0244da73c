"""Where something can be written is found out before work, by trying what its end will do; nothing is lost by the trial."""

import errno
import os
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest

from reference.spec.errors import InputError
from reference.spec.files import check_file, check_filled, check_folder, new_file, new_folder
from reference.test_movable import CHECKS

CONTENT = "ours.txt"

# What stands where a file is to be written. The device is reached by a link: what is tried here never touches it.
NO_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a folder": (Path.mkdir, "is a folder; expected a file to write"),
    "a pipe": (os.mkfifo, "is a pipe or a device; expected a file to write"),
    "a link to a folder": (lambda path: path.symlink_to(path.parent), "is a folder"),
    "a link to a device": (lambda path: path.symlink_to("/dev/full"), "is a pipe or a device"),
}


@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize("name", NO_FILES)
def test_only_a_file_is_replaced_by_one(tmp_path: Path, name: str, force: bool) -> None:
    make, words = NO_FILES[name]
    path = tmp_path / "a.md"
    make(path)
    before = path.lstat()
    with pytest.raises(InputError, match=f"^{path}: {words}"):
        check_file(path, force, reads=())
    with pytest.raises(InputError, match=f"^{path}: {words}"), new_file(path, force):
        pytest.fail("work has begun")
    assert os.path.samestat(path.lstat(), before)
    assert list(tmp_path.iterdir()) == [path]


def test_what_became_no_file_while_one_was_written_is_kept(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a pipe or a device"), new_file(tmp_path / "a.md", force=True):
        os.mkfifo(tmp_path / "a.md")
    assert [path.is_fifo() for path in tmp_path.iterdir()] == [True]


@pytest.mark.parametrize("name", ["a.wav", "new/b.wav"])
def test_a_file_is_written_and_replaced(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    for text, force in (("first", False), ("second", True)):
        check_file(path, force, reads=[None])
        with new_file(path, force) as file:
            file.write_text(text)
        assert [one.read_text() for one in tmp_path.rglob("*") if one.is_file()] == [text]


@pytest.mark.parametrize("there", ["a file", "a link", "a folder"])
def test_what_is_tried_stays_as_it_is(tmp_path: Path, there: str) -> None:
    path = tmp_path / "out"
    if there == "a folder":
        with new_folder(path, "report", force=False) as folder:
            (folder / CONTENT).write_text("ours")
    else:
        (tmp_path / "target").write_text("ours")
        path.symlink_to("target") if there == "a link" else os.replace(tmp_path / "target", path)
    before, names = path.lstat(), sorted(tmp_path.rglob("*"))
    if there == "a folder":
        check_folder(path, "report", force=True)
    else:
        check_file(path, force=True, reads=())
    assert os.path.samestat(path.lstat(), before)
    assert sorted(tmp_path.rglob("*")) == names


def refusing(*_: object, **__: object) -> NoReturn:
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), "a name that nobody chose")


FILLED: dict[str, Callable[[Path], None]] = {**CHECKS, "a folder to fill": partial(check_filled, reads=())}


@pytest.mark.parametrize("place", ["out", "far/in/out"])
@pytest.mark.parametrize("check", FILLED.values(), ids=FILLED)
def test_below_a_link_to_nothing_it_is_told_before_any_work(tmp_path: Path, check: Callable[[Path], None], place: str) -> None:
    (link := tmp_path / "link").symlink_to("gone")
    told = f"^{link / place}: {link} is a link to gone, which is not there; remove it or choose another path"
    with pytest.raises(InputError, match=told):
        check(link / place)
    with pytest.raises(InputError, match=told), new_file(link / place, force=True):
        pytest.fail("work has begun")
    assert list(tmp_path.iterdir()) == [link]


@pytest.mark.parametrize("call", ["tempfile.mkstemp", "os.replace", "pathlib.Path.write_bytes"])
@pytest.mark.parametrize("check", FILLED.values(), ids=FILLED)
def test_where_nothing_can_be_made_or_renamed_it_is_told_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, check: Callable[[Path], None], call: str
) -> None:
    monkeypatch.setattr(call, refusing)
    with pytest.raises(InputError, match=rf"^{tmp_path / 'new' / 'out'}: cannot be made \(Read-only file system\)"):
        check(tmp_path / "new" / "out")
    assert list(tmp_path.iterdir()) == []


NEW: dict[str, Callable[[Path], AbstractContextManager[Path]]] = {
    "a file": lambda path: new_file(path, force=True),
    "a folder": lambda path: new_folder(path, "report", force=True),
}
MADE_BY = {"a file": "tempfile.mkstemp", "a folder": "tempfile.mkdtemp"}


@pytest.mark.parametrize("call", ["what makes it", "os.replace"])
@pytest.mark.parametrize("what", NEW)
def test_what_is_refused_all_the_same_is_said_of_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, call: str
) -> None:
    """As by a disk that became read-only after it was tried."""
    out = tmp_path / "new" / "out"
    if call == "what makes it":
        monkeypatch.setattr(MADE_BY[what], refusing)
    with pytest.raises(InputError, match=rf"^{out}: cannot be made \(Read-only file system\)"), NEW[what](out):
        monkeypatch.setattr("os.replace", refusing)
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize("what", NEW)
def test_another_error_of_the_work_is_left_as_it_is(tmp_path: Path, what: str) -> None:
    with pytest.raises(OSError, match="a name that nobody chose"), NEW[what](tmp_path / "out"):
        refusing()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", NEW)
def test_what_is_written_others_can_read(tmp_path: Path, what: str) -> None:
    with NEW[what](tmp_path / "out"):
        pass
    assert (tmp_path / "out").stat().st_mode & 0o777 == (0o644 if what == "a file" else 0o755)


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("gone")], ids=["a file", "a link to nothing"])
def test_a_folder_that_is_filled_is_one(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "there")
    with pytest.raises(InputError, match="there: is no folder; expected one to fill"):
        check_filled(tmp_path / "there", reads=())


def test_a_folder_that_takes_no_files_is_not_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (out := tmp_path / "out").mkdir()
    mkstemp = tempfile.mkstemp
    monkeypatch.setattr(tempfile, "mkstemp", lambda dir, **named: (refusing if dir == out else mkstemp)(dir=dir, **named))
    with pytest.raises(InputError, match=rf"^{out}: cannot be made \(Read-only file system\)"):
        check_filled(out, reads=())
