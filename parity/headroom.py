"""Limits beside their evidence: what a gate run measured for every budget, and how much room the limit leaves."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from rich.table import Table

from parity.verdict import ARTIFACT
from reference.spec.errors import InputError

COUNTS = ("nonfinite_values", "nondeterministic_values")  # limits of zero have no headroom


def read_checks(report: Path) -> list[dict[str, Any]]:
    """The checks of a `report.json`. Raises InputError if it is none."""
    path = report / "report.json" if report.is_dir() else report
    try:
        checks: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["checks"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not a gate's report.json ({error}); write one with 'parity gate --report'") from None
    return checks


def headroom_table(checks: list[dict[str, Any]]) -> Table:
    """One row per budget: the measured range, the limit where it was tightest, and limit / value there."""
    rows: dict[tuple[str, str, str, str], list[tuple[float, float]]] = defaultdict(list)
    for check in checks:
        if check["ladder"] != ARTIFACT and check["metric"] not in COUNTS:
            key = (check["variant"], check["stage"], check["ladder"], check["metric"])
            rows[key].append((float(check["value"]), float(check["limit"])))
    table = Table(title="measured, limit, headroom", title_justify="left")
    for title in ("variant", "stage", "ladder", "metric"):
        table.add_column(title)
    for title in ("least", "most", "tightest limit", "headroom"):
        table.add_column(title, justify="right")
    for key, found in rows.items():
        values = [value for value, _ in found]
        value, limit = max(found, key=lambda pair: pair[0] / pair[1] if pair[1] else 0.0)
        room = f"{limit / value:.1f}x" if value else "-"
        table.add_row(*key, f"{min(values):.1e}", f"{max(values):.1e}", f"{limit:.1e}", room)
    return table
