"""Paths as libraries take them: most are told a path as text in UTF-8, whatever bytes a file system keeps."""

from pathlib import Path

from reference.spec.errors import InputError


def require_text(path: Path) -> None:
    """Raise InputError for a path whose name is no UTF-8, or which this process's locale has no letters for."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        shown = str(path).encode(errors="surrogateescape").decode(errors="replace")
        advice = "copy it to a path of plain letters, or set PYTHONUTF8=1 if its name is UTF-8 and the locale is another"
        raise InputError(f"{shown}: this name cannot be told to a runtime, which takes UTF-8 alone; {advice}") from None
