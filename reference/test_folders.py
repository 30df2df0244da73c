"""Folders are replaced where they hold nothing but what was written here, by their own kind, by one process at a time, whole or
not at all."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from reference.spec.errors import InputError
from reference.spec.files import new_folder
from reference.spec.kinds import WRITTEN, Kind
from reference.spec.only_writer import lock_of

CONTENT = "ours.txt"


def write(path: Path, force: bool = True, kind: Kind = "report") -> None:
    with new_folder(path, kind, force) as folder:
        (folder / "inside").mkdir()
        (folder / "inside" / CONTENT).write_text("ours")


@pytest.fixture
def written(tmp_path: Path) -> Path:
    write(tmp_path / "out")
    return tmp_path / "out"


def test_what_was_written_here_is_replaced(written: Path) -> None:
    assert json.loads((written / WRITTEN).read_text())["files"] == {f"inside/{CONTENT}": len("ours")}
    (written / "inside" / CONTENT).write_text("mine")  # by the same number of bytes, which nothing tells
    write(written)
    assert (written / "inside" / CONTENT).read_text() == "ours"
    assert list(written.parent.iterdir()) == [written]  # no lock, nothing half-written


STRANGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a note": (lambda folder: (folder / "note.txt").write_text("mine"), "note.txt"),
    "a hidden file": (lambda folder: (folder / ".env").write_text("mine"), ".env"),
    "a file beside ours": (lambda folder: (folder / "inside" / "dit.tflite").write_text("mine"), "inside/dit.tflite"),
    "written over": (lambda folder: (folder / "inside" / CONTENT).write_text("weights"), f"inside/{CONTENT} of another size"),
    "a link": (lambda folder: (folder / "link").symlink_to(folder.parent), "link"),
    "no list": (lambda folder: (folder / WRITTEN).unlink(), f"inside/{CONTENT}"),
    "a damaged list": (lambda folder: (folder / WRITTEN).write_text("{"), f"inside/{CONTENT}"),
    "another list": (lambda folder: (folder / WRITTEN).write_text('{"files": 3}'), f"inside/{CONTENT}"),
    "a list of nothing": (lambda folder: (folder / WRITTEN).write_text('{"kind": "report"}'), f"inside/{CONTENT}"),
    "a list without end": (lambda folder: (folder / WRITTEN).write_text("[" * 100_000), f"inside/{CONTENT}"),
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


@pytest.mark.parametrize("kind", ["report", "kit", None])
def test_an_empty_folder_is_filled_whatever_it_was(tmp_path: Path, kind: Kind | None) -> None:
    if kind is None:
        (tmp_path / "out").mkdir()
    else:
        write(tmp_path / "out", kind=kind)
        shutil.rmtree(tmp_path / "out" / "inside")
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


KINDS = get_args(Kind)
LONGEST_NAME = 255 - len(lock_of(Path("a")).name) + 1  # with a lock beside it


@pytest.mark.parametrize("place", [0, 1, -1], ids=["first", "next", "last"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_is_replaced_by_its_own_kind_alone(tmp_path: Path, kind: Kind, place: int) -> None:
    other = [one for one in KINDS if one != kind][place]
    write(tmp_path / "out", kind=other)
    (tmp_path / "out" / "inside" / CONTENT).write_text("hers")
    told = f"{tmp_path / 'out'}: is a {other}; a {kind} replaces only a {kind}; choose another path, or move it away"
    with pytest.raises(InputError) as refused, new_folder(tmp_path / "out", kind, force=True):
        pytest.fail("work has begun")
    assert str(refused.value) == told
    assert (tmp_path / "out" / "inside" / CONTENT).read_text() == "hers"
    write(tmp_path / "out", kind=other)
    assert (tmp_path / "out" / "inside" / CONTENT).read_text() == "ours"


UNTOLD = "was written by an earlier version, and nothing in it tells what it is"
# What a list without a kind, of an earlier version, names; the kind that may replace it.
OLD: dict[str, tuple[tuple[str, ...], Kind | None]] = {
    "report": (("report.json", "bundles/fp32/manifest.json", "page.html"), "report"),
    "bundle": (("manifest.json", "dit.tflite"), "bundle"),
    "model": (("model_config.json", "t5/config.json"), "model"),
    "kit": (("manifest.json", "record.pyz", "bundles/int8/manifest.json"), "kit"),
    "search": (("search.json", "recipes/mix.json"), "search"),
    "sensitivities": (("sensitivity.json", "sensitivity.html"), "table of sensitivities"),
    "goldens": (("goldens.npz", "index.json"), "set of goldens"),
    "emulators": (("qemu-aarch64", "qemu-x86_64"), "set of emulators"),
    "for Arm": (("python", "root/lib/libc.so.6"), "Python for Arm"),
    "of sounds": (("0000-drum.wav",), None),
    "of bundles, far inside": (("made/fp32/manifest.json",), None),
}


@pytest.mark.parametrize("name", OLD)
def test_a_list_of_an_earlier_version_tells_the_kind_by_what_it_names(tmp_path: Path, name: str) -> None:
    files, kind = OLD[name]
    for file in files:
        (tmp_path / "out" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / file).touch()
    (tmp_path / "out" / WRITTEN).write_text(json.dumps({"files": files}))
    told = f"is a {kind}" if kind else UNTOLD
    for other in KINDS:
        if other != kind:
            with pytest.raises(InputError, match=f"out: {told}; a {other} replaces only a {other}"):
                write(tmp_path / "out", kind=other)
    assert all((tmp_path / "out" / file).exists() for file in files)
    if kind is not None:
        write(tmp_path / "out", kind=kind)
        assert (tmp_path / "out" / "inside" / CONTENT).exists()


def test_a_kind_that_is_not_known_here_is_another(written: Path) -> None:
    content = json.loads((written / WRITTEN).read_text())
    (written / WRITTEN).write_text(json.dumps({**content, "kind": "symphony"}))
    with pytest.raises(InputError, match="is a symphony; a report replaces only a report"):
        write(written)


def test_a_folder_that_cannot_take_its_place_leaves_the_old_one_there(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, inode = os.replace, written.stat().st_ino

    def refusing(source: Path, target: Path) -> None:
        if target == written and Path(source).stat().st_ino != inode:
            raise OSError(errno.EBUSY, "Device or resource busy")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refusing)
    with pytest.raises(InputError, match=r"out: cannot be made \(Device or resource busy\)"):
        write(written)
    assert written.stat().st_ino == inode
    assert list(written.parent.iterdir()) == [written]


def test_what_cannot_be_deleted_is_told_with_where_it_is(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remove = shutil.rmtree

    def refusing(path: Path, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            raise OSError(errno.EPERM, "Operation not permitted")
        remove(path, ignore_errors=True)

    monkeypatch.setattr(shutil, "rmtree", refusing)
    with pytest.raises(InputError, match=r"is written, but what it replaces stays in .*/\.out\..* \(Operation not permitted\)"):
        write(written)
    assert len(list(written.parent.iterdir())) == 2


def test_a_long_name_is_written_and_replaced(tmp_path: Path) -> None:
    for _ in range(2):
        write(tmp_path / ("n" * LONGEST_NAME))
    assert [len(path.name) for path in tmp_path.iterdir()] == [LONGEST_NAME]


@pytest.mark.parametrize("more", [1, 10])
def test_a_longer_name_is_told_before_any_work(tmp_path: Path, more: int) -> None:
    out = tmp_path / ("n" * (LONGEST_NAME + more))
    with pytest.raises(InputError, match=f"^{out}: .*File name too long"), new_folder(out, "report", force=True):
        pytest.fail("work has begun")
    assert list(tmp_path.iterdir()) == []
