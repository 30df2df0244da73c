"""Which source files a module's results follow from."""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

from reference.spec.files import sha256_of


def imported(names: Iterable[str], packages: tuple[str, ...]) -> dict[str, Path]:
    """Modules and their files: `names`, and what they import of `packages`, transitively; none is imported for it."""
    found: dict[str, Path] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        path = None if name in found else _file_of(name)
        if path is not None:
            found[name] = path
            waiting += [other for other in _imports(path) if other.partition(".")[0] in packages]
    return found


def hash_of(paths: Iterable[Path]) -> str:
    """One SHA-256 of the contents of files, whatever order they are given in."""
    return hashlib.sha256("".join(sorted(sha256_of(path) for path in paths)).encode()).hexdigest()


def _file_of(name: str) -> Path | None:
    """The file of a module; None where the name is that of something inside a module."""
    try:
        found = find_spec(name)
    except ModuleNotFoundError:  # its parent is no package
        return None
    return Path(found.origin) if found is not None and found.origin is not None else None


def _imports(path: Path) -> Iterator[str]:
    """Every name a file imports, wherever in it; of `from a import b` both `a` and `a.b`, which may be a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
