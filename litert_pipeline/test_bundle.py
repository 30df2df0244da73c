"""What is given as a bundle and is none is told as what it is."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from zipfile import ZipFile

import pytest

from litert_pipeline.bundle import Bundle, read_bundle
from reference.spec.errors import InputError
from reference.spec.files import POINTER


def archive(path: Path) -> None:
    with ZipFile(path, "w") as opened:
        opened.writestr("manifest.json", "{}")


NO_FOLDERS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "nothing": ("int8", lambda path: None, "no such folder; expected a bundle with manifest.json"),
    "an archive": ("int8.zip", archive, "is an archive; unpack it and give the folder that is in it"),
    "one of its files": ("dit.tflite", Path.touch, "is a model file; give the folder it is in"),
    "one of another's": ("dit.onnx", Path.touch, "is a model file; give the folder it is in"),
    "another file": ("int8", Path.touch, "is no folder; expected a bundle"),
    "a pipe": ("int8", os.mkfifo, "is no folder; expected a bundle"),
    "a link to nothing": ("int8", lambda path: path.symlink_to("gone"), "is no folder; expected a bundle"),
    "a link to itself": ("int8", lambda path: path.symlink_to(path), "is no folder; expected a bundle"),
}


@pytest.mark.parametrize("name", NO_FOLDERS)
def test_what_is_no_folder_is_told(tmp_path: Path, name: str) -> None:
    called, make, words = NO_FOLDERS[name]
    make(tmp_path / called)
    with pytest.raises(InputError, match=f"{called}: {words}"):
        read_bundle(tmp_path / called)


NOT_GOT = {
    **{(name, POINTER): "is a pointer to a file in Git LFS" for name in ("dit.tflite", "manifest.json", "spiece.model")},
    ("dit.tflite", b""): "is empty, expected a model",
}


@pytest.mark.parametrize(("name", "content"), NOT_GOT)
def test_a_file_whose_content_was_not_fetched_is_told(
    name: str, content: bytes, bundles: Mapping[str, Bundle], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(bundles["fp32"].folder, tmp_path / "cloned"))
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: {NOT_GOT[name, content]}"):
        read_bundle(folder).require_intact()


def test_a_file_whose_name_is_no_utf8_is_told(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(bundles["fp32"].folder, tmp_path / "cloned"))
    (folder / "dit.tflite").rename(folder / os.fsdecode(b"dit\xff.tflite"))
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"dit.tflite"', r'"dit\udcff.tflite"'))
    with pytest.raises(InputError, match="dit\N{REPLACEMENT CHARACTER}\\.tflite: this name cannot be told to a runtime"):
        read_bundle(folder)
