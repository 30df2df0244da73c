"""The report folder: `report.json`, `junit.xml`, `report.html`, `parity-card.md`, and overlays of the stages at fault."""

import json
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from parity.explain.inside.overlays import write_overlays
from parity.measure.verdict import Verdict
from parity.report.as_json import to_json
from parity.report.card import card
from parity.report.page import page
from parity.report.report import Report


def write_report(report: Report, folder: Path) -> None:
    """Write all of it into a folder that exists."""
    text = json.dumps(to_json(report), indent=1, allow_nan=False)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    (folder / "report.html").write_text(page(report), encoding="utf-8")
    (folder / "parity-card.md").write_text(card(report), encoding="utf-8")
    for (variant, stage), errors in report.evidence.layers.items():
        if errors:
            write_overlays(folder / "overlays", f"{variant}.{stage}", errors)
    ElementTree.ElementTree(_junit(report.checks)).write(folder / "junit.xml", encoding="utf-8", xml_declaration=True)


def _junit(checks: Sequence[Verdict]) -> ElementTree.Element:
    failures = sum(not check.ok for check in checks)
    suite = ElementTree.Element("testsuite", name="parity gate", tests=str(len(checks)), failures=str(failures))
    for check in checks:
        name = check.id.split("/", 1)[1]
        case = ElementTree.SubElement(suite, "testcase", classname=f"{check.ladder}.{check.stage}", name=name)
        if not check.ok:
            ElementTree.SubElement(case, "failure", message=str(check))
    return suite
