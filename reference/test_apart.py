"""What is written is no part of what is read, nor of a folder that was written whole, whatever leads there."""

from pathlib import Path

import pytest

from reference.spec.apart import require_apart, require_no_part
from reference.spec.errors import InputError
from reference.spec.files import new_folder

# What is written, what is read, and what is said; `link` leads to `int8`, whose `dit.tflite` is a link into `blobs`.
TOGETHER = {
    "the file itself": ("a.wav", "a.wav", "is {read} itself"),
    "the file, not there yet": ("new.wav", "new.wav", "is {read} itself"),
    "the file behind a link": ("a.wav", "link.wav", "is {read} itself"),
    "the link to the file": ("link.wav", "a.wav", "is {read} itself"),
    "the folder itself": ("int8", "int8", "is {read} itself"),
    "the folder behind a link": ("link", "int8", "is {read} itself"),
    "around": ("out", "out/bundles/int8", "holds {read}, which is needed to write it"),
    "around a link that leads away": ("out", "out/away", "holds {read}, which is needed to write it"),
    "in it": ("int8/report", "int8", "lies in {read}, which would hold what is no part of it"),
    "far in it": ("int8/a/b/report", "int8", "lies in {read}, which"),
    "in it, by a link": ("link/report", "int8", "lies in {read}, which"),
    "in it, by a way round": ("int8/../int8/report", "int8", "lies in {read}, which"),
    "on a link in it that leads away": ("int8/dit.tflite", "int8", "lies in {read}, which"),
    "where a link in it leads": ("blobs/1", "int8/dit.tflite", "is {read} itself"),
}
APART = {
    "beside it": ("report", "int8"), "by a name that begins so": ("int8-report", "int8"),
    "an id on the hub": ("owner/name/a.wav", "owner/name"),
    "the folder around the folder around": ("out/report", "out/bundles"),
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("int8", "out/bundles/int8", "blobs", "away"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("a.wav", "blobs/1"):
        (tmp_path / name).touch()
    for name, target in {"link": "int8", "link.wav": "a.wav", "out/away": "../away", "int8/dit.tflite": "../blobs/1"}.items():
        (tmp_path / name).symlink_to(target)
    return tmp_path


@pytest.mark.parametrize("name", TOGETHER)
def test_what_is_read_is_neither_replaced_nor_added_to(place: Path, name: str) -> None:
    written, read, words = TOGETHER[name]
    for at in (Path(), place):  # as typed from where one is, and in full
        with pytest.raises(InputError) as told:
            require_apart(at / written, [None, place / "elsewhere", at / read])
        assert str(told.value).startswith(f"{at / written}: {words.format(read=at / read)}")


@pytest.mark.parametrize("name", APART)
def test_what_is_apart_is_written(place: Path, name: str) -> None:
    written, read = APART[name]
    require_apart(Path(written), [place / read, Path(read), None])


@pytest.mark.parametrize(("inside", "fills", "refused"), [
    ("a.wav", False, True), ("a/b/c.json", False, True), ("", True, True), ("overlays", True, True), ("", False, False),
])  # fmt: skip
def test_a_folder_that_was_written_whole_stays_so(tmp_path: Path, inside: str, fills: bool, refused: bool) -> None:
    with new_folder(tmp_path / "int8", "bundle", force=False) as folder:
        (folder / "dit.tflite").touch()
    found = None
    try:
        require_no_part(tmp_path / "int8" / inside, fills=fills)
    except InputError as error:
        found = str(error)
    assert (found is not None) == refused
    where = f"lies in {tmp_path / 'int8'}," if inside not in ("", ".") else "is"
    assert found is None or f"{where} a bundle that was written whole, which would hold" in found


def test_a_damaged_list_tells_a_whole_folder_too(tmp_path: Path) -> None:
    (tmp_path / ".written.json").write_text("{")
    with pytest.raises(InputError, match="a folder that was written whole"):
        require_no_part(tmp_path / "a.wav")
