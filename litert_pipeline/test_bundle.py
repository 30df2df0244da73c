"""What is given as a bundle and is none is told as what it is."""

import os
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from litert_pipeline.bundle import read_bundle
from reference.spec.errors import InputError


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
