"""Limits beside their evidence: what a gate run measured for every budget, and how much room the limit leaves."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from parity.measure.verdict import ARTIFACT, DOMAIN, LADDERS, REPLAYED
from parity.report.opened import open_report
from reference.spec.errors import InputError

# A sweep's inputs are held to the budgets of the cases.
NO_BUDGET_OF_ITS_OWN = (ARTIFACT, REPLAYED, DOMAIN)
# Zero leaves no room.
COUNTS = ("nonfinite_values", "nondeterministic_values", "padding_peak", "unequal_conditioning", "lost_constants")


@dataclass(frozen=True, kw_only=True)
class Headroom:
    """One budget of one variant over all cases: the range measured, and where it was tightest the limit and the room.

    `room` is limit over value or, on the other side of a two-sided limit, value over limit, whichever is smaller.
    """

    variant: str
    budget: str  # stage, ladder, metric
    least: float
    most: float
    limit: float
    room: float
    why: str


def read_report(path: Path) -> dict[str, Any]:
    """A gate's `report.json`, or that of a report folder. Raises InputError if it is none."""
    top = open_report(path)
    kinds = {"checks": list, "environment": dict, "model": dict, "artifacts": list}
    content = {name: top.take(name, kind) for name, kind in kinds.items()}
    content["shared"] = top.take("shared", list, [])  # reports of the first edition have none
    if not all(isinstance(check, Mapping) and check.get("ladder") in LADDERS for check in content["checks"]):
        raise InputError(f"{top.file}: its checks are not a gate's; write a report with 'parity gate --report'")
    return content


def headrooms(checks: Iterable[Mapping[str, Any]]) -> list[Headroom]:
    """One per budget, in the order of the checks; each check is a verdict as it stands in `report.json`."""
    rows: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for check in checks:
        if check["ladder"] not in NO_BUDGET_OF_ITS_OWN and check["metric"] not in COUNTS:
            rows[check["variant"], f"{check['stage']} {check['ladder']} {check['metric']}"].append(check)
    return [_headroom(variant, budget, found) for (variant, budget), found in rows.items()]


def worst(found: Iterable[Headroom]) -> dict[str, Headroom]:
    """The budget with the least room of each variant."""
    least: dict[str, Headroom] = {}
    for row in found:
        if row.variant not in least or not row.room >= least[row.variant].room:
            least[row.variant] = row
    return least


def headroom_table(found: Iterable[Headroom]) -> Table:
    """One row per budget."""
    table = Table(title="measured, limit, headroom", title_justify="left")
    for title in ("variant", "stage, ladder, metric"):
        table.add_column(title)
    for title in ("least", "most", "tightest limit", "headroom"):
        table.add_column(title, justify="right")
    for row in found:
        room = f"{row.room:.1f}x" if row.room < float("inf") else "-"
        table.add_row(row.variant, row.budget, f"{row.least:.1e}", f"{row.most:.1e}", f"{row.limit:.1e}", room)
    return table


def _headroom(variant: str, budget: str, found: list[Mapping[str, Any]]) -> Headroom:
    values = [float(check["value"]) for check in found]
    tightest = min(found, key=lambda check: min(_rooms(check)))
    below, above = _rooms(tightest)
    return Headroom(
        variant=variant,
        budget=budget,
        least=min(values),
        most=max(values),
        limit=float(tightest["low_limit" if below < above else "limit"]),
        room=min(below, above),
        why=tightest["why"],
    )


def _rooms(check: Mapping[str, Any]) -> tuple[float, float]:
    """How many times the value is above the lower limit and below the upper one; NaN has no room."""
    value, low, high = (float(check[name]) for name in ("value", "low_limit", "limit"))
    if value != value:
        return 0.0, 0.0
    return value / low if low else float("inf"), high / value if value else float("inf")
