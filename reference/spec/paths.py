"""Paths as libraries take them: most are told a path as text in UTF-8, whatever bytes a file system keeps."""

import argparse
from pathlib import Path

from reference.spec.errors import InputError

EMPTY_PATH = "is empty; expected a path"


def given_path(text: str) -> Path:
    """What a parser makes of an argument. Raises ArgumentTypeError for an empty one, as scripts pass of a variable that is not
    set: it would be taken for the folder one is in."""
    if not text:
        raise argparse.ArgumentTypeError(EMPTY_PATH)
    return Path(text)


def require_text(path: Path) -> None:
    """Raise InputError for a path whose name is no UTF-8, or which this process's locale has no letters for."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        shown = str(path).encode(errors="surrogateescape").decode(errors="replace")
        advice = "copy it to a path of plain letters, or set PYTHONUTF8=1 if its name is UTF-8 and the locale is another"
        raise InputError(f"{shown}: this name cannot be told to a runtime, which takes UTF-8 alone; {advice}") from None
