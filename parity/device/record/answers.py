"""Answers of a device as they lie in a folder: the journal, the arrays, and the plan of the kit they are to."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from parity.device.record.arrays import Arrays, Reference
from parity.device.record.journal import JOURNAL, KIT, Journal
from parity.device.record.kit import ARRAYS, BUNDLES, Kit
from parity.device.record.machine import require_one_device
from parity.device.record.plan import MANIFEST, Part, Plan, Question, Variant, read_plan
from parity.measure.asked import Digest
from reference.spec.apart import require_apart
from reference.spec.errors import InputError
from reference.spec.files import new_file
from reference.spec.tensors import Tensors

Given = list[Any]  # digest of what was fed, and references of what was answered by output


def answers_job(variant: str, stage: str, question: str) -> str:
    """What the job is called that asks a stage a question."""
    return f"answers/{variant}/{stage}/{question}"


def repeat_job(variant: str, stage: str, threads: int) -> str:
    """That asks it the first case again."""
    return f"repeat/{variant}/{stage}/{threads}"


def generation_job(variant: str, case: str) -> str:
    """That lets a variant feed itself."""
    return f"generation/{variant}/{case}"


def alone_job(variant: str, stage: str) -> str:
    """That opens a stage in a process of its own."""
    return f"alone/{variant}/{stage}"


def race_job(stage: str, threads: int) -> str:
    """That times a stage of all variants in turns."""
    return f"race/{stage}/{threads}"


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What was recorded with one kit on one device."""

    folder: Path
    kit_id: str
    plan: Plan
    journal: Journal

    @property
    def arrays(self) -> Arrays:
        return Arrays(folder=self.folder / ARRAYS)

    @property
    def halves(self) -> str:
        """What the device does for FP16 compute; empty where that could not be found out."""
        return str(next((entry["halves"]["kind"] for entry in self.journal.of(KIT) if entry["halves"]), ""))

    def to(self, variant: str, stage: str, question: Question) -> list[Tensors] | None:
        """What a stage answered, call by call; None if it did not. Raises InputError for an array that was changed."""
        found = self._ended.get(answers_job(variant, stage, question.id))
        return None if found is None else [self._array(references) for _, references in found["answers"]]

    def unequal(self, variant: str, stage: str, threads: int) -> int | None:
        """How many values differed where equal inputs were asked again; None if they were not. On the kit's first number of
        threads, generations asked again, too."""
        found = self._ended.get(repeat_job(variant, stage, threads))
        if found is None:
            return None
        first = threads == self.plan.threads[0]
        again = sum(one["unequal"].get(f"{variant}/{stage}", 0) for one in self._generations()) if first else 0
        return int(found["unequal"] + again)

    def given(self, variant: str, stage: str) -> Mapping[Digest, Tensors]:
        """All that a stage answered, teacher-forced and in generations, by what it was fed."""
        return {digest: self._array(references) for digest, references in self.references(variant, stage)}

    def references(self, variant: str, stage: str) -> Iterator[tuple[Digest, Mapping[str, Reference]]]:
        """The same, unread."""
        own = f"answers/{variant}/{stage}/"
        for job, found in self._ended.items():
            if job.startswith(own):
                yield from ((digest, references) for digest, references in found["answers"])
        for found in self._generations():
            yield from ((digest, references) for digest, references in found["asked"].get(f"{variant}/{stage}", []))

    def lost(self) -> set[str]:
        """The jobs whose answers are no longer there, or some of them."""
        there, jobs = self.arrays.there, self._ended.items()
        return {job for job, found in jobs if not all(there(one) for each in _given(found) for one in each.values())}

    def require_intact(self) -> None:
        """Raise InputError if any answer was changed: each is read once."""
        for variant, part in self.plan.own_parts:
            for _, references in self.references(variant.name, part.stage):
                self._array(references)

    def missing(self) -> list[str]:
        """The jobs of answers that did not end, one by one."""
        return [job for job in self.expected() if job not in self._ended]

    def unanswered(self) -> list[str]:
        """The jobs that found nothing, and why, in words."""
        told = {**dict.fromkeys(self.missing(), "was not done"), **self.journal.faults}
        return [f"{job}: {says}" for job, says in told.items()]

    def unlike_threads(self) -> list[str]:
        """Sentences about stages whose answers change with the number of threads: no fault, but to be known."""
        first, *others = self.plan.threads
        return [
            f"{part.stage}/{variant.name}: {unequal} values differ between {first} and {threads} threads"
            for variant, part in self.plan.own_parts
            for threads in others
            if (unequal := self.unequal(variant.name, part.stage, threads))
        ]

    def races(self) -> Iterator[tuple[str, int, Mapping[str, float], float | None]]:
        """Stage, threads, median seconds by variant, and how many times as long a fixed job took then, if longer."""
        for job, found in self._ended.items():
            if job.startswith("race/"):
                yield job.split("/")[1], found["threads"], found["median_s"], found["slowed"]

    def openings(self) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        """Variant, stage, and what opening it alone took: `open_s`, `first_call_s`, `peak_bytes`."""
        for variant, part in self.plan.own_parts:
            found = self._ended.get(alone_job(variant.name, part.stage))
            if found is not None:
                yield variant.name, part.stage, found

    def expected(self) -> list[str]:
        """The jobs a verdict needs: the denominator is the kit's, not the recorder's."""
        own = [job for variant, part in self.plan.own_parts for job in part_jobs(self.plan, variant, part)]
        return own + [generation_job(variant.name, one.case) for variant in self.plan.variants for one in self.plan.generations]

    def _generations(self) -> list[Mapping[str, Any]]:
        return [found for job, found in self._ended.items() if job.startswith("generation/")]

    @cached_property
    def _ended(self) -> Mapping[str, Any]:
        return self.journal.ended

    def _array(self, references: Mapping[str, Reference]) -> Tensors:
        return {name: self.arrays.of(reference) for name, reference in references.items()}


def _given(found: Mapping[str, Any]) -> Iterator[Mapping[str, Reference]]:
    """All references in what a job found."""
    for given in (found.get("answers", []), *found.get("asked", {}).values()):
        yield from (references for _, references in given)


def part_jobs(plan: Plan, variant: Variant, part: Part) -> list[str]:
    """All a stage is asked, in order."""
    asked = [answers_job(variant.name, part.stage, question.id) for question in plan.questions_for(part)]
    return asked + [repeat_job(variant.name, part.stage, threads) for threads in plan.repeated_on]


def begin_answers(kit: Kit, folder: Path) -> None:
    """Make `folder` one for answers to a kit, if it is none. Raises InputError for a folder of something else, the kit's own, or
    one of answers to another kit."""
    if folder.resolve() == kit.folder.resolve():
        raise InputError(f"{folder}: is the kit itself; choose another folder for the answers")
    require_apart(folder, [kit.folder / ARRAYS, kit.folder / BUNDLES, *(kit.models / name for name in kit.plan.hashes)])
    for left in folder.glob(f".{MANIFEST}.*{Path(MANIFEST).suffix}"):  # of a process that was killed while it copied
        left.unlink()
    if folder.exists() and not (folder / MANIFEST).is_file() and any(folder.iterdir()):
        raise InputError(f"{folder}: holds something else than answers; choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / MANIFEST).is_file():
        recorded, _ = read_plan(folder / MANIFEST)
        if recorded != kit.id:
            raise InputError(f"{folder}: holds answers to kit {recorded[:12]}, this is {kit.id[:12]}; choose another folder")
    else:
        with new_file(folder / MANIFEST, force=False) as file:
            shutil.copyfile(kit.folder / MANIFEST, file)


def read_answers(folder: Path) -> Answers:
    """Answers to be judged. Raises InputError for a folder without, and for what was edited."""
    if not (folder / MANIFEST).is_file() or not (folder / JOURNAL).is_file():
        raise InputError(f"{folder}: holds no answers; expected the folder that record.pyz wrote with --out")
    kit_id, plan = read_plan(folder / MANIFEST)
    journal, _ = Journal.read(folder / JOURNAL, kit_id)
    require_one_device(folder, list(journal.of(KIT)))
    if not journal.entries:  # the power went while the first line was written: not even the machine is known
        raise InputError(f"{folder}: nothing was recorded before it was interrupted; run record.pyz again with this --out")
    return Answers(folder=folder, kit_id=kit_id, plan=plan, journal=journal)
