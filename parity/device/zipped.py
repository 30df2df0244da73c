"""`record.pyz`: the recorder and every module of this project that it imports, in one file that Python runs.

It runs where nothing but numpy and LiteRT is installed, with the very code that the gate judges with.
"""

import ast
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = ("parity", "litert_pipeline", "reference", "fixtures")
START = "parity.device.record.start"
MAIN = f"from {START} import start\n\nstart()\n"
EPOCH = (1980, 1, 1, 0, 0, 0)  # as every file's time, so that equal sources make equal bytes


def write_recorder(path: Path) -> None:
    """Write the zip; equal sources give equal bytes."""
    with path.open("wb") as stream:
        stream.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo("__main__.py", EPOCH), MAIN, zipfile.ZIP_DEFLATED)
            for file in recorder_files():
                entry = zipfile.ZipInfo(file.relative_to(ROOT).as_posix(), EPOCH)
                archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)


def recorder_files() -> list[Path]:
    """The sources that are packed, by path."""
    found: set[str] = set()
    waiting = [START]
    while waiting:
        name = waiting.pop()
        if name not in found and (file := _file(name)) is not None:
            found.add(name)
            waiting += [name.rpartition(".")[0], *_imported(file)]
    return sorted(file for name in found if (file := _file(name)) is not None)


def _file(module: str) -> Path | None:
    """Where a module of ours is; None of any other name."""
    if module.partition(".")[0] not in OURS:
        return None
    path = ROOT.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _imported(file: Path) -> Iterator[str]:
    """All that a module imports when it runs, inside functions too, but not what is for types alone."""
    waiting: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
        waiting += ast.iter_child_nodes(node)
