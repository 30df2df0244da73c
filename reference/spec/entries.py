"""What is costly to make, kept on disk by the content it follows from.

An entry's name is the hash of a description of everything it follows from, and the description is stored inside, so an
entry of anything else, under whatever name, is not taken for it. A hash of its bytes at its start tells damage. A folder
that cannot be written is no reason to stop: nothing is kept there.
"""

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reference.spec.errors import InputError
from reference.spec.files import new_file

SUFFIX, HASH_BYTES = ".entry", 32
LINE_END = b"\n"  # between a description, which is one line, and what is kept


@dataclass(frozen=True, kw_only=True)
class Entries:
    """A folder of entries, the least recently used ones removed beyond `limit_bytes`."""

    folder: Path
    limit_bytes: int

    def read(self, description: str) -> memoryview | None:
        """What is kept of this description, or None if it is not there, damaged, or follows from something else."""
        path = self._path(description)
        try:
            data = memoryview(path.read_bytes())
        except OSError:
            return None
        head = description.encode() + LINE_END
        content = data[HASH_BYTES:]
        if hashlib.sha256(content).digest() != data[:HASH_BYTES] or content[: len(head)] != head:
            return None
        with suppress(OSError):  # another process may have removed it by now
            os.utime(path)
        return content[len(head) :]

    def write(self, description: str, kept: bytes) -> None:
        """Keep bytes of a description, which is one line; older entries make room."""
        path, head = self._path(description), description.encode() + LINE_END
        digest = hashlib.sha256(head)
        digest.update(kept)
        with suppress(OSError, InputError):
            with new_file(path, force=True) as temporary, temporary.open("wb") as stream:
                stream.writelines((digest.digest(), head, kept))
            self._shrink(path)

    def _path(self, description: str) -> Path:
        return self.folder / f"{hashlib.sha256(description.encode()).hexdigest()}{SUFFIX}"

    def _shrink(self, newest: Path) -> None:
        """Remove entries, the longest unused first, until the rest fits; never the one just written."""
        found = []
        for path in self.folder.glob(f"[!.]*{SUFFIX}"):
            with suppress(FileNotFoundError):  # another process may have been faster
                found.append((path.stat().st_mtime, path.stat().st_size, path))
        total = 0
        for _, size, path in sorted(found, reverse=True):
            total += size
            if total > self.limit_bytes and path != newest:
                path.unlink(missing_ok=True)
