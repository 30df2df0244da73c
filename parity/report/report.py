"""The verdict for machines (`report.json`, `junit.xml`) and for a terminal (a table)."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from rich.console import Console
from rich.table import Table

from litert_pipeline.bundle import Bundle
from parity.bundles.assignment_table import assignment_table
from parity.explain.evidence import Evidence
from parity.explain.inside.module_error import ModuleError, first_fault
from parity.explain.inside.overlays import write_overlays
from parity.explain.suspects import PIPELINE_ORDER, suspects
from parity.explain.swap_matrix import SwapMatrix
from parity.judge.left_out import LeftOut
from parity.measure.verdict import ARTIFACT, LADDERS, REPLAYED, Verdict, json_number
from parity.report.card import card
from parity.report.page import render
from reference.spec.files import sha256_of
from reference.spec.stages import GENERATION

SCHEMA = 1
ONE_ROW = {ARTIFACT: "bundle", REPLAYED: "sampler"}  # ladders whose checks share a row, and where it stands


@dataclass(frozen=True, kw_only=True)
class Report:
    """All checks of a gate run and what follows from them."""

    checks: list[Verdict]
    evidence: Evidence
    model: dict[str, Any]
    environment: dict[str, Any]
    artifacts: list[dict[str, Any]]
    assignments: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    @property
    def publish(self) -> bool:
        """Nothing failed, and something was measured."""
        return bool(self.checks) and all(check.ok for check in self.checks)

    def blame(self) -> list[dict[str, Any]]:
        """For each variant with a failure the stage at fault, and the module where it could be found."""
        return [
            {
                "stage": check.stage,
                "variant": check.variant,
                "step": check.step,
                "layer": _faulty_module(self.evidence.layers.get((check.variant, check.stage), [])),
                "why": str(check),
            }
            for check in suspects(self.checks)
        ]

    def write(self, folder: Path) -> None:
        """Write `report.json`, `junit.xml`, `report.html`, `parity-card.md` and overlays of the stages at fault."""
        content = {
            "schema": SCHEMA,
            "verdict": "publish" if self.publish else "refuse",
            "checks": [check.to_json() for check in self.checks],
            "blame": self.blame(),
            "dit_steps": self.evidence.steps,
            "decoders": self.evidence.decoders,
            "layers": [
                {"variant": variant, "stage": stage, **_json_numbers(asdict(error)), "ok": error.ok}
                for (variant, stage), errors in self.evidence.layers.items()
                for error in errors
            ],
            "swap": [_swap_json(matrix) for matrix in self.evidence.swaps],
            "t5_activations": [_json_numbers(asdict(found)) for found in self.evidence.activations],
            "warnings": self.evidence.warnings(),
            "model": self.model,
            "environment": self.environment,
            "artifacts": self.artifacts,
            "assignments": self.assignments,
            "left_out": [asdict(variant) for variant in self.left_out],
            "latency": [],
        }
        (folder / "report.json").write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        own = {field.name: getattr(self, field.name) for field in fields(self)}
        page = render(publish=self.publish, blame=self.blame(), **own)
        (folder / "report.html").write_text(page, encoding="utf-8")
        worst = [_worst(found) for found in _by_row(self.checks)]
        text = card(publish=self.publish, worst=worst, **{name: value for name, value in own.items() if name != "evidence"})
        (folder / "parity-card.md").write_text(text, encoding="utf-8")
        for (variant, stage), errors in self.evidence.layers.items():
            if errors:
                write_overlays(folder / "overlays", f"{variant}.{stage}", errors)
        ElementTree.ElementTree(_junit(self.checks)).write(folder / "junit.xml", encoding="utf-8", xml_declaration=True)

    def show(self, console: Console) -> None:
        """Print what foreign tensors stand for, the stage x variant table, whom to blame, then the verdict."""
        if self.assignments:
            console.print(assignment_table(self.assignments))
        table = Table(title="the worst check of each stage and variant", title_justify="left")
        for title in (
            "stage",
            "variant",
            "ladder",
            "checks",
            "worst metric",
            "case",
            "value",
            "limit",
            "of limit",
            "verdict",
        ):
            table.add_column(title, justify="right" if title in ("checks", "value", "limit", "of limit") else "left")
        for checks in _by_row(self.checks):
            table.add_row(*_row(checks))
        for variant in self.left_out:
            table.add_row("-", variant.variant, *["-"] * 7, "[yellow]not judged[/yellow]")
        console.print(table)
        for variant in self.left_out:
            console.print(f"[yellow]not judged[/yellow] {variant.variant}: {variant.why}", soft_wrap=True, highlight=False)
        for blamed in self.blame():
            layer = f", module {blamed['layer']}" if blamed["layer"] else ""
            sentence = f"[red]blame[/red] {blamed['stage']}{layer}: {blamed['why']}"
            console.print(sentence, soft_wrap=True, highlight=False)
        for warning in self.evidence.warnings():
            console.print(f"[yellow]warning[/yellow] {warning}", soft_wrap=True, highlight=False)
        word = "[green]PUBLISH[/green]" if self.publish else "[red]REFUSE[/red]"
        failures = sum(not check.ok for check in self.checks)
        console.print(f"{word}: {len(self.checks)} checks, {failures} failed", highlight=False)


def artifact_entries(bundles: Iterable[Bundle]) -> list[dict[str, Any]]:
    """Path, hash and size of every model file judged."""
    return [
        {
            "path": f"{bundle.folder.name}/{entry.file}",
            "sha256": sha256_of(bundle.path(stage)),
            "bytes": bundle.path(stage).stat().st_size,
        }
        for bundle in bundles
        for stage, entry in bundle.manifest.stages.items()
    ]


def _swap_json(matrix: SwapMatrix) -> dict[str, Any]:
    distances = {"+".join(name for name in GENERATION if name in swapped): d for swapped, d in matrix.distance_db.items()}
    return {
        "variant": matrix.variant,
        "case": matrix.case,
        "log_mel_distance_db": _json_numbers(distances),
        "share_db": _json_numbers(matrix.share_db),
    }


def _json_numbers(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: json_number(value) for name, value in fields.items()}


def _faulty_module(errors: list[ModuleError]) -> str | None:
    fault = first_fault(errors)
    return None if fault is None else fault.path


def _by_row(checks: list[Verdict]) -> list[list[Verdict]]:
    rows: dict[tuple[str, str, str], list[Verdict]] = defaultdict(list)
    for check in checks:
        stage = ONE_ROW.get(check.ladder, check.stage)
        rows[stage, check.variant, check.ladder].append(check)
    order = sorted(rows, key=lambda row: (LADDERS.index(row[2]), PIPELINE_ORDER.index(row[0])))
    return [rows[row] for row in order]


def _worst(checks: list[Verdict]) -> Verdict:
    return max(checks, key=lambda check: (not check.ok, check.share_of_limit))


def _row(checks: list[Verdict]) -> list[str]:
    worst = _worst(checks)
    metric = worst.metric + ("" if worst.step is None else f" step {worst.step}")
    share = _share(worst.share_of_limit)
    limit = f"{worst.limit:.2e}" if worst.value >= worst.low_limit else f">= {worst.low_limit:.2e}"
    verdict = "[green]ok[/green]" if worst.ok else "[red]FAIL[/red]"
    stage = ONE_ROW.get(worst.ladder, worst.stage) if worst.ok else worst.stage
    start = [stage, worst.variant, worst.ladder, str(len(checks)), metric, worst.case]
    return [*start, f"{worst.value:.2e}", limit, share, verdict]


def _share(share: float) -> str:
    """Part of the limit used up: percent, or how many times it was exceeded."""
    if not math.isfinite(share):
        return "-"
    return f"{100 * share:.0f} %" if share < 10 else f"{share:.1e} x"


def _junit(checks: list[Verdict]) -> ElementTree.Element:
    suite = ElementTree.Element(
        "testsuite", name="parity gate", tests=str(len(checks)), failures=str(sum(not check.ok for check in checks))
    )
    for check in checks:
        name = check.id.split("/", 1)[1]
        case = ElementTree.SubElement(suite, "testcase", classname=f"{check.ladder}.{check.stage}", name=name)
        if not check.ok:
            ElementTree.SubElement(case, "failure", message=str(check))
    return suite
