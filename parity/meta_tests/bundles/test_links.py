"""A folder with links to what is gone, as an emptied cache leaves, is told by the link; one with odd endings by these."""

from pathlib import Path

import pytest

from fixtures import TINY_MODEL_DIR
from parity.bundles.foreign import _check, read_foreign
from reference.spec.errors import InputError


@pytest.mark.parametrize("name", ["dit.onnx", "dit.tflite", "manifest.json"])
def test_a_link_to_what_is_gone_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "conditioner.tflite").write_bytes(b"TFL3")
    (tmp_path / name).symlink_to("../blobs/gone")
    with pytest.raises(InputError, match=f"{name}: is a link to ../blobs/gone, which is not there; download or copy it again"):
        read_foreign(tmp_path, TINY_MODEL_DIR)


def test_a_file_that_was_skipped_for_its_ending_is_told(tmp_path: Path) -> None:
    (tmp_path / "dit.TFLITE").write_bytes(b"TFL3")
    with pytest.raises(InputError, match=r"per stage \(dit.TFLITE skipped: endings are in small letters, rename it\)"):
        _check(tmp_path, [], {}, TINY_MODEL_DIR)
