"""The report folder: a file for each sound and overlay, whatever contenders are called."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from parity.explain.evidence import Evidence
from parity.explain.inside.overlays import OVERLAYS
from parity.meta_tests.report.sample import BUNDLE, CHECK, ERROR, EVIDENCE, sample
from parity.report.folder import SOUNDS, write_report

NAMES = {
    "plain": "litert_int8",
    "of two bundles": "litert_int8@mine",
    "of two folders of one name": "litert_int8@/somewhere/deep/int8",
    "of a parent": "litert_int8@../int8",
    "long": f"litert_int8@/{'deep/' * 80}int8",
    "of no letters of ours": f"litert_int8@{'音' * 60}",
    "of bytes that are no letters": "litert_int8@\udcff\udcfe",
    "with what steers a terminal": "litert_int8@\x1b[2J\x00\r\n",
    "with what is no character": "litert_int8@\ufffe\uffff",
    "with what is markup": "litert_int8@<a href=\"x\">&amp;]]>",
}


@pytest.mark.parametrize("name", NAMES)
def test_what_a_contender_is_called_is_one_part_of_a_path(name: str, tmp_path: Path) -> None:
    variant = NAMES[name]
    sounds = [replace(sound, variant=variant) for sound in EVIDENCE.sounds]
    write_report(sample(evidence=replace(EVIDENCE, sounds=sounds, layers={(variant, "dit"): [ERROR]})), tmp_path)
    assert [path.read_bytes() for path in sorted((tmp_path / SOUNDS).iterdir())] == [sound.exact for sound in sounds]
    assert len([path for path in (tmp_path / "overlays").iterdir() if path.is_file()]) == len(OVERLAYS)


@pytest.mark.parametrize("name", NAMES)
def test_other_programs_can_read_the_tests_whatever_contenders_are_called(name: str, tmp_path: Path) -> None:
    called = NAMES[name]
    bundle = replace(BUNDLE, path=called, name=called, variants=[called])
    failed = replace(CHECK, variant=called, case=called, why=called, value=2.0)
    write_report(sample(bundles=[bundle], checks=[failed], evidence=Evidence()), tmp_path)
    (case,) = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert "litert_int8" in case.attrib["name"]
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["bundles"][0]["name"] == called
