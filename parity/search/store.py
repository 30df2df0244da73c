"""Results on disk, each in a file named after its trial. Files are whole or not there, never change, and merge in any order."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from parity.search.trial import Result, Trial, digest
from reference.spec.errors import InputError
from reference.spec.files import new_file

SUFFIX = ".trial.json"
FANNED = 2  # letters of an address that name a folder: some file systems are slow with thousands of files in one


@dataclass(frozen=True, kw_only=True)
class Results:
    """A folder of results. What is damaged counts as not there, and is measured again."""

    folder: Path

    def get(self, trial: Trial) -> Result | None:
        """What a trial found, if it is there and sound."""
        found = _read(self._path(trial.address))
        return found[1] if found is not None and found[0] == trial else None

    def put(self, trial: Trial, result: Result) -> None:
        """Keep what a trial found. Raises InputError where it found something else before: equal trials have equal answers."""
        if result.address != trial.address:
            raise InputError(f"the result of trial {result.address[:12]} was handed in as that of {trial.address[:12]}")
        known = self.get(trial)
        if known is None:
            content = {"trial": trial.to_json(), "result": result.to_json()}
            with new_file(self._path(trial.address), force=True) as file:
                text = json.dumps({"sha256": digest(content), **content}, indent=1, allow_nan=False)
                file.write_text(text + "\n", encoding="utf-8")
        elif known != result and trial.race is None:  # no two races take the same time; the first one counts
            raise InputError(
                f"{self._path(trial.address)}: a trial was measured twice and answered differently ({_apart(known, result)}); "
                "machines or threads differ, measure in another folder to compare"
            )

    def merge(self, other: "Results") -> int:
        """Take what another folder has; returns how many were new. Raises InputError as `put`."""
        new = 0
        for trial, result in other.all():
            new += self.get(trial) is None
            self.put(trial, result)
        return new

    def all(self) -> Iterator[tuple[Trial, Result]]:
        """Everything that is sound, in the order of addresses."""
        for path in sorted(self.folder.glob(f"{'?' * FANNED}/*{SUFFIX}")):
            found = _read(path)
            if found is not None and path == self._path(found[0].address):
                yield found

    def _path(self, address: str) -> Path:
        return self.folder / address[:FANNED] / f"{address}{SUFFIX}"


def _read(path: Path) -> tuple[Trial, Result] | None:
    """A trial and its result; None for what is missing, damaged or written by other code."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        told = json.loads(path.read_text(encoding="utf-8"))
        content = {"trial": told["trial"], "result": told["result"]}
        trial, result = Trial.from_json(told["trial"]), Result.from_json(told["result"])
        if told["sha256"] == digest(content) and result.address == trial.address:
            return trial, result
    return None


def _apart(one: Result, other: Result) -> str:
    """The first thing two answers disagree on."""
    first, second = one.to_json(), other.to_json()
    name = next(name for name in first if first[name] != second[name])
    return f"in '{name}'"
