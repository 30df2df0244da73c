"""Which tensor of a file made elsewhere stands for which of ours, as rows."""

from collections.abc import Iterable, Iterator
from typing import Any

from rich.table import Table

from litert_pipeline.binding import Binding, Match
from litert_pipeline.bundle import Bundle

COLUMNS = ("stage", "file", "place", "name in the file", "shape", "dtype", "stands for", "known by")


def assigned(bundles: Iterable[Bundle]) -> list[dict[str, Any]]:
    """A row for every tensor of every file made elsewhere, outputs that nobody reads among them."""
    return [
        {"bundle": bundle.folder.name, "stage": stage, "file": entry.file, **row}
        for bundle in bundles
        for stage, entry in bundle.manifest.stages.items()
        if entry.binding is not None
        for row in _rows(entry.binding)
    ]


def assignment_table(rows: list[dict[str, Any]]) -> Table:
    """The rows for a terminal."""
    table = Table(title="what the files' tensors stand for", title_justify="left")
    for title in COLUMNS:
        table.add_column(title)
    for row in rows:
        table.add_row(*cells(row))
    return table


def cells(row: dict[str, Any]) -> list[str]:
    """One row as text, in the order of COLUMNS."""
    shape = "x".join(map(str, row["shape"])) or "scalar"
    place = f"{row['kind']} {row['position']}" if row["position"] is not None else row["kind"]
    return [row["stage"], row["file"], place, row["name"], shape, row["dtype"], row["tensor"] or "-", row["known_by"]]


def _rows(binding: Binding) -> Iterator[dict[str, Any]]:
    for kind, matches in (("input", binding.inputs), ("output", binding.outputs)):
        for match in sorted(matches, key=lambda match: match.position):
            yield _row(kind, match, "probing" if binding.probed and kind == "input" else "shape")
    for tensor in binding.unused:
        yield {
            "kind": "output", "position": None, "name": tensor.name, "shape": list(tensor.shape), "dtype": tensor.dtype,
            "tensor": None, "known_by": "not used",
        }  # fmt: skip


def _row(kind: str, match: Match, known_by: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "position": match.position,
        "name": match.theirs.name,
        "shape": list(match.theirs.shape),
        "dtype": match.theirs.dtype,
        "tensor": match.ours.name,
        "known_by": known_by,
    }
