"""Which tensor of a file made elsewhere stands for which of ours, as rows."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from litert_pipeline.binding import Binding
from litert_pipeline.bundle import Bundle, folder_name

DRAWN = "drawn inside; handed in to be judged"
COLUMNS = ("stage", "file", "place", "name in the file", "shape", "dtype", "stands for", "known by")


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """One tensor of a file made elsewhere; `tensor` is ours that it stands for, None where nobody reads it.

    What nobody reads has no `position`, nor has noise that the file draws itself.
    """

    bundle: str
    stage: str
    file: str
    kind: str
    position: int | None
    name: str
    shape: Sequence[int]
    dtype: str
    tensor: str | None
    known_by: str


def assigned(bundles: Iterable[Bundle]) -> list[Assignment]:
    """A row for every tensor of every file made elsewhere, outputs that nobody reads among them."""
    return [
        row
        for bundle in bundles
        for stage, entry in bundle.manifest.stages.items()
        if entry.binding is not None
        for row in _rows(folder_name(bundle.folder), stage, entry.file, entry.binding)
    ]


def drawing(bundle: Bundle) -> list[tuple[Path, str]]:
    """The files that draw noise themselves, with what the stage calls it."""
    entries = [(bundle.path(stage), entry.binding) for stage, entry in bundle.manifest.stages.items()]
    return [(path, match.ours.name) for path, binding in entries if binding is not None for match in binding.drawn]


def assignment_table(rows: Iterable[Assignment]) -> Table:
    """The rows for a terminal."""
    table = Table(title="what the files' tensors stand for", title_justify="left")
    for title in COLUMNS:
        table.add_column(title)
    for row in rows:
        table.add_row(*cells(row))
    return table


def cells(row: Assignment) -> list[str]:
    """One row as text, in the order of COLUMNS."""
    shape = "x".join(map(str, row.shape)) or "scalar"
    place = f"{row.kind} {row.position}" if row.position is not None else row.kind
    return [row.stage, row.file, place, row.name, shape, row.dtype, row.tensor or "-", row.known_by]


def _rows(bundle: str, stage: str, file: str, binding: Binding) -> Iterator[Assignment]:
    matches = [("input", match) for match in binding.inputs] + [("output", match) for match in binding.outputs]
    for kind, match in sorted(matches, key=lambda found: (found[0], found[1].position)):
        yield Assignment(
            bundle=bundle, stage=stage, file=file, kind=kind, position=match.position, name=match.theirs.name,
            shape=list(match.theirs.shape), dtype=match.theirs.dtype, tensor=match.ours.name,
            known_by="probing" if binding.probed and kind == "input" else "shape",
        )  # fmt: skip
    for match in binding.drawn:
        yield Assignment(
            bundle=bundle, stage=stage, file=file, kind="noise", position=None, name=match.tensor_name,
            shape=list(match.theirs.shape), dtype=match.theirs.dtype, tensor=match.ours.name, known_by=DRAWN,
        )  # fmt: skip
    for tensor in binding.unused:
        yield Assignment(
            bundle=bundle, stage=stage, file=file, kind="output", position=None, name=tensor.name,
            shape=list(tensor.shape), dtype=tensor.dtype, tensor=None, known_by="not used",
        )  # fmt: skip
