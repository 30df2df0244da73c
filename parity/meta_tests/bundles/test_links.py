"""A folder with links to what is gone, as an emptied cache leaves, is told by the link; one with odd endings by these."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from fixtures import TINY_MODEL_DIR
from litert_pipeline.bundle import Bundle, read_bundle
from parity.bundles.foreign import _check, read_foreign
from parity.bundles.foreign_codec import read_foreign_codec
from reference.spec.errors import InputError


@pytest.mark.parametrize(("read", "name"), [
    (read_foreign, "dit.onnx"), (read_foreign, "dit.tflite"), (read_foreign, "manifest.json"),
    (read_foreign_codec, "enc_int8.tflite"), (read_foreign_codec, "manifest.json"),
    (lambda folder, model: read_bundle(folder), "manifest.json"),
])  # fmt: skip
def test_a_link_to_what_is_gone_is_told(read: Callable[[Path, Path], object], name: str, tmp_path: Path) -> None:
    (tmp_path / "conditioner.tflite").write_bytes(b"TFL3")
    (tmp_path / name).symlink_to("../blobs/gone")
    with pytest.raises(InputError, match=f"{name}: is a link to ../blobs/gone, which is not there; download or copy it again"):
        read(tmp_path, TINY_MODEL_DIR)


def test_a_stage_of_a_bundle_that_is_gone_is_told(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    for path in bundles["fp32"].folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    read_bundle(tmp_path)
    (tmp_path / "dit.tflite").unlink()
    (tmp_path / "dit.tflite").symlink_to("../blobs/gone")
    with pytest.raises(InputError, match=r"dit\.tflite: is a link to \.\./blobs/gone, which is not there"):
        read_bundle(tmp_path)


def test_a_file_that_was_skipped_for_its_ending_is_told(tmp_path: Path) -> None:
    (tmp_path / "dit.TFLITE").write_bytes(b"TFL3")
    with pytest.raises(InputError, match=r"per stage \(dit.TFLITE skipped: endings are in small letters, rename it\)"):
        _check(tmp_path, [], {}, TINY_MODEL_DIR)
