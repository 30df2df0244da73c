"""The report folder: `report.json`, `junit.xml`, `report.html`, `parity-card.md`, sounds, and overlays of the stages at fault."""

import json
import re
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

from parity.explain.inside.overlays import write_overlays
from parity.measure.policy import Closeness, Loaded
from parity.measure.verdict import Verdict
from parity.report.as_json import to_json
from parity.report.card import card
from parity.report.page import page
from parity.report.report import Report
from reference.spec.errors import one_line

SOUNDS = "sounds"
NO_CHARACTER = re.compile("[\ufffe\uffff]")
LONGEST = 100  # characters of a contender's name in that of a file, of which systems take 255 bytes


def write_report(report: Report, folder: Path) -> None:
    """Write all of it into a folder that exists."""
    texts = {
        "report.json": json.dumps(to_json(report), indent=1, allow_nan=False) + "\n",
        "report.html": page(report),
        "parity-card.md": card(report),
    }
    for name, text in texts.items():  # a path may hold what no encoding has
        (folder / name).write_text(text, encoding="utf-8", errors="backslashreplace")
    for (variant, stage), errors in report.evidence.layers.items():
        if errors:
            write_overlays(folder / "overlays", f"{_file_name(variant)}.{stage}", errors)
    for number, sound in enumerate(report.evidence.sounds):
        (folder / SOUNDS).mkdir(exist_ok=True)
        (folder / SOUNDS / f"{number:02}.{_file_name(sound.variant)}.flac").write_bytes(sound.exact)
    ElementTree.ElementTree(_junit(report)).write(folder / "junit.xml", encoding="utf-8", xml_declaration=True)


def _file_name(variant: str) -> str:
    """What a contender is called, as one part of a path; it may hold the folders of a bundle. Of a long one the end."""
    return quote(variant, safe="@+", errors="backslashreplace")[-LONGEST:]


def _junit(report: Report) -> ElementTree.Element:
    verdicts = report.verdicts()
    close = [(found.bundle.name, one) for found in verdicts for one in found.close]
    loaded = [(found.bundle.name, one) for found in verdicts for one in found.loaded]
    cases: list[tuple[str, str, Verdict | Closeness | Loaded]] = [
        *((f"{check.ladder}.{check.stage}", check.id.split("/", 1)[1], check) for check in report.checks),
        *(("close enough", f"{bundle}/{one.bar.distance.name}", one) for bundle, one in close),
        *(("close enough", f"{bundle}/{one.how}", one) for bundle, one in loaded),
    ]
    failures = sum(not found.ok for _, _, found in cases)
    suite = ElementTree.Element("testsuite", name="parity gate", tests=str(len(cases)), failures=str(failures))
    for classname, name, found in cases:
        case = ElementTree.SubElement(suite, "testcase", classname=classname, name=_xml(name))
        if not found.ok:
            ElementTree.SubElement(case, "failure", message=_xml(str(found)))
    return suite


def _xml(text: str) -> str:
    """The text without what XML has no way to write: it refuses a file with any of it whole."""
    return NO_CHARACTER.sub("?", one_line(text).encode("utf-8", "backslashreplace").decode())
