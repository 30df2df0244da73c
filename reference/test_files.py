"""What files hold is read once, and again when it may have changed."""

import os
from pathlib import Path

import pytest

from reference.spec.errors import InputError
from reference.spec.files import ReadOnce

CHANGES = {
    "another size": lambda path: path.write_bytes(b"longer"),
    "the same size, written later": lambda path: os.utime(path, ns=(0, path.stat().st_mtime_ns + 1)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_file_is_read_again_when_it_may_have_changed(tmp_path: Path, change) -> None:
    path, reads = tmp_path / "file", []
    path.write_bytes(b"bytes")
    once = ReadOnce(lambda file: reads.append(file) or len(reads))
    assert [once.of(path), once.of(path)] == [1, 1]
    change(path)
    assert once.of(path) == 2


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize(("changed", "searches"), [("file", 2), ("data", 1)])
def test_its_parts_are_looked_for_only_where_the_file_itself_may_have_changed(
    tmp_path: Path, change, changed: str, searches: int
) -> None:
    path, data, read, searched = tmp_path / "file", tmp_path / "data", [], []
    for part in (path, data):
        part.write_bytes(b"bytes")
    once = ReadOnce(lambda file: read.append(file) or len(read), lambda file: searched.append(file) or (file, data))
    assert [once.of(path), once.of(path)] == [1, 1]
    change(tmp_path / changed)
    assert [once.of(path), once.of(path)] == [2, 2]
    assert len(searched) == searches


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone: cannot be read \(No such file or directory\); expected a file"):
        ReadOnce(len).of(tmp_path / "gone")  # type: ignore[arg-type]
