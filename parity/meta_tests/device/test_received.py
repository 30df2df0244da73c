"""What comes back belongs to the bundle that was packed, its manifest among it."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from litert_pipeline.bundle import MANIFEST_NAME, Bundle, read_bundle
from parity.bundles.files import Files
from parity.device.received import receive
from parity.meta_tests.device.kits import RECIPE
from reference.spec.errors import InputError

pytestmark = pytest.mark.xdist_group("kit")  # packed once, not once in every process


def test_answers_of_a_bundle_with_another_manifest_are_refused(
    answers: Path, bundles: Mapping[str, Bundle], tmp_path: Path
) -> None:
    """Its files are the same, and what an app is told to do with them is not."""
    folder = shutil.copytree(bundles[RECIPE].folder, tmp_path / "int8")
    content = json.loads((folder / MANIFEST_NAME).read_text())
    content["stages"]["decoder"]["compute"] = "fp32"
    (folder / MANIFEST_NAME).write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"bundle 'int8', whose manifest.json has SHA-256 \w{12}, .*int8 has \w{12}; give the"):
        receive([answers], [read_bundle(folder)], Files())
