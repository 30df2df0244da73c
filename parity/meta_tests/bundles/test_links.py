"""A folder with links to what is gone, as an emptied cache leaves, is told by the link."""

from pathlib import Path

import pytest

from fixtures import TINY_MODEL_DIR
from parity.bundles.foreign import read_foreign
from reference.spec.errors import InputError


@pytest.mark.parametrize("name", ["dit.onnx", "dit.tflite", "manifest.json"])
def test_a_link_to_what_is_gone_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "conditioner.tflite").write_bytes(b"TFL3")
    (tmp_path / name).symlink_to("../blobs/gone")
    with pytest.raises(InputError, match=f"{name}: is a link to ../blobs/gone, which is not there; download or copy it again"):
        read_foreign(tmp_path, TINY_MODEL_DIR)
