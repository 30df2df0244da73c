"""What kind of folder was written here, and with which files: a list in each of them says so."""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

WRITTEN = ".written.json"  # in every folder that is written here
ABOUT = "what this folder was written with, in bytes; --force deletes these files and no others, to write the same kind of folder"
Kind = Literal[  # as sentences have it
    "report", "kit", "bundle", "model", "search", "table of sensitivities", "set of goldens", "set of sounds", "set of bundles",
    "set of emulators", "Python for Arm",
]  # fmt: skip
# A file at the top of such a folder: lists of earlier versions do not say what kind it is. A kit has a manifest, too.
SIGNS: dict[Kind, str] = {
    "report": "report.json",
    "kit": "record.pyz",
    "bundle": "manifest.json",
    "model": "model_config.json",
    "search": "search.json",
    "table of sensitivities": "sensitivity.json",
    "set of goldens": "goldens.npz",
    "set of emulators": "qemu-aarch64",
    "Python for Arm": "python",
}


@dataclass(frozen=True)
class Written:
    """What the list in a folder says: its kind, None where nothing tells it, and its files with their sizes, None in lists of
    earlier versions."""

    kind: str | None
    files: Mapping[str, int | None]

    def strange(self, folder: Path) -> Iterator[str]:
        """What lies in the folder by now and is not what the list says, in words."""
        for name in files_in(folder):
            if name not in self.files:
                yield name
            elif self.files[name] not in (None, _bytes(folder / name)):
                yield f"{name} of another size"


def note_written(folder: Path, kind: Kind) -> None:
    """Write what kind of folder it is, and the list of all files in it, into it."""
    content = {"about": ABOUT, "kind": kind, "files": {name: _bytes(folder / name) for name in files_in(folder)}}
    (folder / WRITTEN).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def written_in(folder: Path) -> Written | None:
    """What the list in it says; None where there is none, or none that can be read."""
    with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        content = json.loads((folder / WRITTEN).read_text(encoding="utf-8"))
        listed = content["files"]
        sizes = listed if isinstance(listed, dict) else {}
        files = {str(name): sizes.get(name) for name in listed}
        return Written(str(content["kind"]) if "kind" in content else _told_by(files), files)
    return None


def files_in(folder: Path) -> list[str]:
    """All that is no folder, but for the list itself."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted(name for path in found if (name := path.relative_to(folder).as_posix()) != WRITTEN)


def _bytes(path: Path) -> int:
    return path.lstat().st_size


def _told_by(names: Collection[str]) -> str | None:
    return next((kind for kind, sign in SIGNS.items() if sign in names), None)
