"""A lock beside a path: held by one, removed by who holds it, and nothing of others is taken for one or deleted."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from reference.spec import only_writer as module
from reference.spec.errors import InputError
from reference.spec.files import new_folder
from reference.spec.only_writer import MARK, lock_of, only_writer

WRITTEN_NOW = "another process is writing it"
NO_LOCK = r"/\.out\.being-written stands where its lock belongs and is none; move that away"
UNMADE = r"/\.out\.being-written cannot be made \(.*\); move that away or choose another path"


def test_two_do_not_write_one_folder(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with only_writer(out):
        assert lock_of(out).read_bytes() == MARK
        with pytest.raises(InputError, match=WRITTEN_NOW), only_writer(out):
            pytest.fail("both write")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("left", [b"", MARK, MARK + b".abc\n"], ids=["empty", "marked", "noted"])
def test_the_lock_of_a_process_that_was_killed_is_taken_over(tmp_path: Path, left: bytes) -> None:
    lock_of(tmp_path / "out").write_bytes(left)
    with only_writer(tmp_path / "out"):
        assert lock_of(tmp_path / "out").read_bytes() == MARK  # so that it is taken over again, were this one killed
        with pytest.raises(InputError, match=WRITTEN_NOW), only_writer(tmp_path / "out"):
            pytest.fail("both write")
    assert list(tmp_path.iterdir()) == []


def left_by_a_killed(folder: Path) -> Path:
    """What a process that was killed while it wrote `out` leaves."""
    left = folder / ".out.ab_c3"
    left.mkdir()
    (left / "dit.tflite").touch()
    lock_of(folder / "out").write_bytes(MARK + b".ab_c3\n")
    return left


def test_what_a_process_that_was_killed_left_is_removed(tmp_path: Path) -> None:
    """Gigabytes, at full size, which nobody sees."""
    left_by_a_killed(tmp_path)
    with new_folder(tmp_path / "out", "bundle", force=False) as folder:
        assert lock_of(tmp_path / "out").read_bytes() == MARK + folder.name.removeprefix(".out").encode() + b"\n"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("noted", [b"", b"./../other\n", b".no\n", b".linked\n"], ids=["nothing", "elsewhere", "gone", "a link"])
def test_nothing_else_is_removed(tmp_path: Path, noted: bytes) -> None:
    other = tmp_path / "other"
    left_by_a_killed(tmp_path).rename(other)
    (tmp_path / ".out.linked").symlink_to(other)
    lock_of(tmp_path / "out").write_bytes(MARK + noted)
    with new_folder(tmp_path / "out", "bundle", force=False):
        pass
    assert (other / "dit.tflite").exists()
    assert (tmp_path / ".out.linked").is_symlink()


def test_where_nothing_can_be_locked_nothing_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other process may be alive."""
    left = left_by_a_killed(tmp_path)
    monkeypatch.setattr(fcntl, "flock", unable)
    with new_folder(tmp_path / "out", "bundle", force=False):
        pass
    assert left.exists()


def unable(handle: int, how: int) -> None:
    raise OSError(95, "Operation not supported")


STRANGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a note": (lambda path: path.write_text("mine"), NO_LOCK),
    "what begins as ours": (lambda path: path.write_bytes(MARK + b"mine"), NO_LOCK),
    "a pipe": (os.mkfifo, NO_LOCK),
    "a folder": (Path.mkdir, UNMADE),
    "a link": (lambda path: path.symlink_to("elsewhere"), UNMADE),
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_is_no_lock_of_ours_is_kept(tmp_path: Path, name: str) -> None:
    make, words = STRANGE[name]
    lock = lock_of(tmp_path / "out")
    make(lock)
    before = lock.lstat()
    with pytest.raises(InputError, match=f"^{tmp_path / 'out'}: .*{words}"), only_writer(tmp_path / "out"):
        pytest.fail("work has begun")
    assert os.path.samestat(lock.lstat(), before)
    assert [path.name for path in tmp_path.iterdir()] == [lock.name]


@pytest.mark.parametrize("make", [lambda path: path.write_text("mine"), Path.touch, Path.mkdir], ids=["note", "empty", "folder"])
def test_locks_of_other_programs_are_none_of_ours(tmp_path: Path, make: Callable[[Path], object]) -> None:
    other = tmp_path / ".out.lock"
    make(other)
    with new_folder(tmp_path / "out", "report", force=False):
        pass
    assert other.exists()


def test_a_lock_that_was_removed_before_it_was_held_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, hold = lock_of(tmp_path / "out"), module._hold
    opened: list[int] = []

    def late(handle: int, path: Path) -> bool:
        if not opened:
            lock.unlink()
        opened.append(handle)
        return hold(handle, path)

    monkeypatch.setattr(module, "_hold", late)
    with only_writer(tmp_path / "out"):
        assert (len(opened), lock.read_bytes()) == (2, MARK)


INSTEAD: dict[str, Callable[[Path], object]] = {
    "a note": lambda lock: lock.write_text("mine"),
    "a link to it": lambda lock: lock.symlink_to("moved"),
}


@pytest.mark.parametrize("make", INSTEAD.values(), ids=INSTEAD)
def test_what_stands_there_instead_by_now_is_kept(tmp_path: Path, make: Callable[[Path], object]) -> None:
    lock = lock_of(tmp_path / "out")
    with only_writer(tmp_path / "out"):
        lock.rename(tmp_path / "moved")
        make(lock)
        before = lock.lstat()
    assert os.path.samestat(lock.lstat(), before)


def test_no_lock_stays_open(tmp_path: Path) -> None:
    out, opened = tmp_path / "out", len(os.listdir("/dev/fd"))
    with only_writer(out), pytest.raises(InputError, match=WRITTEN_NOW), only_writer(out):
        pytest.fail("both write")
    lock_of(out).write_text("mine")
    with pytest.raises(InputError, match="and is none"), only_writer(out):
        pytest.fail("work has begun")
    assert len(os.listdir("/dev/fd")) == opened


def test_where_nothing_can_be_locked_work_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", unable)
    with only_writer(tmp_path / "out"):
        assert lock_of(tmp_path / "out").exists()
    assert list(tmp_path.iterdir()) == []
