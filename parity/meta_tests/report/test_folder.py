"""The report folder: a file for each sound and overlay, whatever contenders are called."""

from dataclasses import replace
from pathlib import Path

import pytest

from parity.explain.inside.overlays import OVERLAYS
from parity.meta_tests.report.sample import ERROR, EVIDENCE, sample
from parity.report.folder import SOUNDS, write_report

NAMES = {
    "plain": "litert_int8",
    "of two bundles": "litert_int8@mine",
    "of two folders of one name": "litert_int8@/somewhere/deep/int8",
    "of a parent": "litert_int8@../int8",
    "long": f"litert_int8@/{'deep/' * 80}int8",
    "of no letters of ours": f"litert_int8@{'音' * 60}",
}


@pytest.mark.parametrize("name", NAMES)
def test_what_a_contender_is_called_is_one_part_of_a_path(name: str, tmp_path: Path) -> None:
    variant = NAMES[name]
    sounds = [replace(sound, variant=variant) for sound in EVIDENCE.sounds]
    write_report(sample(evidence=replace(EVIDENCE, sounds=sounds, layers={(variant, "dit"): [ERROR]})), tmp_path)
    assert [path.read_bytes() for path in sorted((tmp_path / SOUNDS).iterdir())] == [sound.exact for sound in sounds]
    assert len([path for path in (tmp_path / "overlays").iterdir() if path.is_file()]) == len(OVERLAYS)
