"""What was found, as rows: for CSV, JSON, a terminal and the page."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from parity.search.search import Found
from parity.search.sensitivity import BYTES, Cell, Sensitivity

CELL_COLUMNS = ("group", "scheme", "layers", "weights", "distance", "bytes", "bytes_saved", "seconds_of_float", "stored", "fault")
POINT_COLUMNS = (
    "point", "distance", "of_bar", "bytes", "of_float", "seconds_of_float", "expected", "verdict", "checks", "knee", "why",
)  # fmt: skip


def cell_rows(found: Sensitivity) -> list[dict[str, Any]]:
    """One for each group and scheme."""
    return [_cell_row(found, cell) for cell in found.cells.values()]


def _cell_row(found: Sensitivity, cell: Cell) -> dict[str, Any]:
    small = [part for part in cell.result.stored if part.stored.storage != "float32"]
    return {
        "group": cell.group.name, "scheme": cell.scheme.name, "layers": len(cell.group.layers), "weights": cell.group.values,
        "distance": _finite(cell.distance), "bytes": cell.result.size_bytes or None,
        "bytes_saved": found.saved_bytes(cell) if cell.result.size_bytes else None, "seconds_of_float": cell.seconds,
        "stored": "; ".join(f"{part.count} {part.tensors} {part.stored}" for part in small), "fault": cell.result.fault,
    }  # fmt: skip


def point_rows(found: Found) -> list[dict[str, Any]]:
    """The front, then what the gate refused, then this project's recipes."""
    float_bytes = found.sensitivity.floor.size_bytes
    rows = []
    for point in (*found.points, *found.refused, *found.own):
        verdict = point.verdict
        rows.append({
            "point": point.name, "distance": _finite(point.distance), "of_bar": _finite(point.share),
            "bytes": point.result.size_bytes, "of_float": point.result.size_bytes / float_bytes,
            "seconds_of_float": point.seconds, "expected": _finite(point.expected),
            "verdict": verdict.word.upper() if verdict else "not judged", "checks": verdict.checks if verdict else 0,
            "knee": point is found.knee, "why": verdict.why if verdict else "",
        })  # fmt: skip
    return rows


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """With a heading; what is none is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def told(value: Any) -> str:
    """A value for a person: three digits of what is measured."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "knee" if value else ""
    return f"{value:.3g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def decided_by(objective: str) -> str:
    """What the front follows from, in a sentence."""
    if objective == BYTES:
        return "The front is of distance and bytes; no time decides anything, so that one seed gives one front."
    return "The front is of distance and time, which was measured here, in turns with the float file; another run may differ."


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
