"""The journal of a recording: one line an event, never rewritten, each with a checksum over it and all before it.

What was being written when the power went is a last line without an end: it is cut off. Any other line that does not fit its
checksum was edited.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reference.spec.errors import InputError

JOURNAL = "journal.jsonl"
CHECKSUM_LENGTH = 16
KIT, BEGIN, END, FAULT, LEFT, JUDGED = "kit", "begin", "end", "fault", "left", "judged"  # kinds of lines
CRASHES = 2  # so often begun and never ended, a job has brought the process down

Entry = Mapping[str, Any]


@dataclass
class Journal:
    """The lines of one recording with the kit called `kit_id`."""

    path: Path
    kit_id: str
    entries: list[Entry] = field(default_factory=list)
    _last: str = ""

    @classmethod
    def read(cls, path: Path, kit_id: str) -> tuple["Journal", int]:
        """A journal, empty if there is none yet, and how many bytes of a torn last line are behind its end.

        Raises InputError for one that was edited, or that belongs to another kit.
        """
        journal = cls(path=path, kit_id=kit_id, _last=kit_id)
        lines = path.read_bytes().split(b"\n") if path.exists() else [b""]
        for number, line in enumerate(lines[:-1], start=1):
            journal._take(number, line)
        return journal, len(lines[-1])

    @classmethod
    def resume(cls, path: Path, kit_id: str) -> "Journal":
        """The same to go on with: what was torn is cut off. Raises InputError as `read`."""
        journal, torn_bytes = cls.read(path, kit_id)
        if torn_bytes:
            os.truncate(path, path.stat().st_size - torn_bytes)
        return journal

    def append(self, kind: str, **told: Any) -> None:
        """Write a line; it is on the disk when this returns."""
        entry = {"kind": kind, **told}
        text = json.dumps(entry, allow_nan=False)
        self._last = _checksum(self._last, text)
        with self.path.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(f"{self._last} {text}\n")
            stream.flush()
            os.fsync(stream.fileno())
        self.entries.append(entry)

    def of(self, kind: str) -> Iterator[Entry]:
        """All lines of a kind."""
        return (entry for entry in self.entries if entry["kind"] == kind)

    @property
    def ended(self) -> dict[str, Any]:
        """What jobs found, by their names."""
        return {entry["job"]: entry["found"] for entry in self.of(END)}

    @property
    def faults(self) -> dict[str, str]:
        """Why jobs found nothing, by their names; what was found in another try is none."""
        told = {entry["job"]: str(entry["says"]) for entry in self.of(FAULT)}
        never = dict.fromkeys(self._never_ended, "crashed: the process ended in the middle of it, twice")
        return {job: says for job, says in {**told, **never}.items() if job not in self.ended}

    @property
    def crashed(self) -> set[str]:
        """The jobs that brought a process down."""
        return self._never_ended | {entry["job"] for entry in self.of(FAULT) if entry["crashed"]}

    @property
    def _never_ended(self) -> set[str]:
        begun = Counter[str]()
        for entry in self.entries:
            if entry["kind"] == BEGIN:
                begun[entry["job"]] += 1
            elif entry["kind"] in (END, FAULT):
                del begun[entry["job"]]
        return {job for job, times in begun.items() if times >= CRASHES}

    def _take(self, number: int, line: bytes) -> None:
        try:
            checksum, text = line.decode("utf-8").split(" ", 1)
            entry = json.loads(text) if checksum == _checksum(self._last, text) else None
        except ValueError:
            entry = None
        if entry is None:
            first = "; or it was recorded with another kit" if number == 1 else ""
            raise InputError(f"{self.path}: line {number} was edited, it does not fit its checksum{first}; record again")
        self._last = checksum
        self.entries.append(entry)


def _checksum(before: str, text: str) -> str:
    return hashlib.sha256(f"{before}{text}".encode()).hexdigest()[:CHECKSUM_LENGTH]
