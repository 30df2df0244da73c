"""What comes back belongs to the bundle that was packed, its manifest among it."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from litert_pipeline.bundle import MANIFEST_NAME, Bundle, read_bundle
from parity.bundles.files import Files
from parity.device.received import _bundles, receive
from parity.device.record.answers import read_answers
from parity.device.record.plan import MANIFEST, read_plan
from parity.meta_tests.device.kits import RECIPE
from reference.spec.errors import InputError

pytestmark = pytest.mark.xdist_group("kit")  # packed once, not once in every process


def test_two_bundles_of_the_same_files_are_told_apart_as_they_were_packed(answers: Path, bundles: Mapping[str, Bundle]) -> None:
    """Which of them is called how does not matter, for they are the same."""
    _, plan = read_plan(answers / MANIFEST)
    twice = replace(
        plan, hashes={name: plan.hashes[RECIPE] for name in ("one", "two")},
        files={name.replace(f"/{RECIPE}/", f"/{twin}/"): told for twin in ("one", "two") for name, told in plan.files.items()},
    )  # fmt: skip
    given = [bundles[RECIPE], replace(bundles[RECIPE])]
    found = _bundles(answers, replace(read_answers(answers), plan=twice), given, Files())
    assert [found[name] is bundle for name, bundle in zip(("one", "two"), given, strict=True)] == [True, True]


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
