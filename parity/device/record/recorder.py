"""The recording: every job that has not been done, one after the other, each noted before and after."""

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parity.device.record.alone import Crashed, halves_alone
from parity.device.record.answers import Answers
from parity.device.record.arrays import Arrays
from parity.device.record.jobs import Job, Jobs
from parity.device.record.journal import BEGIN, END, FAULT, JOURNAL, KIT, LEFT, Journal
from parity.device.record.kit import ARRAYS, Kit
from parity.device.record.machine import Throttling, machine, require_one_device, temperature_c
from parity.device.record.open_part import Opener, OpenParts, Unreachable, open_part
from reference.spec.errors import InputError, one_line
from reference.spec.memory import peak_resident_bytes

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Respondent:
    """Who answers a kit's questions: this machine, unless another is reached from it, which is not `here`."""

    machine: Callable[[], Mapping[str, Any]] = machine
    halves: Callable[[Kit], Mapping[str, Any] | None] = halves_alone
    opened: Opener = open_part
    temperature_c: Callable[[], float | None] = temperature_c
    here: bool = True

    def after(self, throttling: Throttling) -> Mapping[str, Any]:
        """What is noted behind all jobs."""
        peak_bytes = peak_resident_bytes() if self.here else None
        slowed = throttling.slowed() if self.here else None
        return {"temperature_c": self.temperature_c(), "slowed": slowed, "peak_bytes": peak_bytes}


HERE = Respondent()


@dataclass
class Pace:
    """How long what is left will take, from how long calls of the same stages took."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    calls: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def done(self, job: Job, seconds: float) -> None:
        """A job took so long."""
        for part, calls in job.calls.items():
            self.seconds[part] += seconds * calls / sum(job.calls.values())
            self.calls[part] += calls

    def left_s(self, jobs: list[Job]) -> float:
        """An estimate for all of `jobs`; a part that was never asked counts like its stage's others, or like all."""
        return sum(self._call_s(part) * calls for job in jobs for part, calls in job.calls.items())

    def _call_s(self, part: str) -> float:
        stage = part.rpartition("/")[2]
        same = [one for one in self.calls if one.rpartition("/")[2] == stage]
        like = [part] if part in self.calls else same or list(self.calls)
        calls = sum(self.calls[one] for one in like)
        return sum(self.seconds[one] for one in like) / calls if calls else 0.0


def record(kit: Kit, out: Path, say: Say, by: Respondent = HERE) -> Answers:
    """Do all that is left to do in a folder that `begin_answers` made, and give the answers. Raises InputError for a kit or
    answers that were changed, for answers of another device, and where it cannot be reached."""
    journal = Journal.resume(out / JOURNAL, kit.id)
    arrays = Arrays(folder=out / ARRAYS)
    answers = Answers(folder=out, kit_id=kit.id, plan=kit.plan, journal=journal)
    throttling = Throttling()
    session = {"machine": by.machine(), "halves": by.halves(kit), "at": time.time()}
    require_one_device(out, [*journal.of(KIT), session])
    journal.append(KIT, **session)
    open_parts = OpenParts(kit=kit, opened=by.opened)
    jobs = Jobs(kit=kit, answers=arrays, open_parts=open_parts, throttling=throttling, seen=_seen(answers))
    try:
        work(list(jobs.all()), journal, say, by.temperature_c, answers.lost())
    finally:
        open_parts.held.close()
    journal.append(LEFT, **by.after(throttling), at=time.time())
    return Answers(folder=out, kit_id=kit.id, plan=kit.plan, journal=journal)


def _seen(answers: Answers) -> dict[str, dict[str, Mapping[str, str]]]:
    """What was answered before this session."""
    parts = [(variant.name, part.stage) for variant, part in answers.plan.own_parts]
    return {f"{variant}/{stage}": dict(answers.references(variant, stage)) for variant, stage in parts}


def work(
    jobs: list[Job], journal: Journal, say: Say, heat: Callable[[], float | None] = temperature_c, lost: Set[str] = frozenset()
) -> None:
    """Do all jobs that were not done before, or whose answers were lost. What found nothing is tried again, but for what has
    brought a process down. Raises Unreachable as soon as that is so."""
    done = (journal.ended.keys() | journal.crashed) - lost
    left = [job for job in jobs if job.name not in done]
    if done:
        say(f"{len(jobs) - len(left)} of {len(jobs)} jobs were done before")
    pace = Pace()
    down = {part for job in jobs if job.name in journal.crashed for part in job.calls}
    for number, job in enumerate(left):
        began = time.perf_counter()
        say(_progress(job, len(jobs) - len(left) + number + 1, len(jobs), pace.left_s(left[number:])))
        _do(job, journal, down, say, heat)
        pace.done(job, time.perf_counter() - began)


def _do(job: Job, journal: Journal, down: set[str], say: Say, heat: Callable[[], float | None]) -> None:
    """One job: what it found, or why it found nothing. `down` are the parts that must not be asked."""
    journal.append(BEGIN, job=job.name, at=time.time(), temperature_c=heat())
    try:
        if asked := down & job.calls.keys():
            raise InputError(f"not run: {', '.join(sorted(asked))} crashed before")
        found: Mapping[str, Any] = job.run()
    except InputError as error:
        crashed = isinstance(error, Crashed)
        down.update(job.calls if crashed else ())
        journal.append(FAULT, job=job.name, says=str(error), crashed=crashed)
        say(f"  {job.name}: {error}")
        if isinstance(error, Unreachable):
            raise
        return
    journal.append(END, job=job.name, found=found, at=time.time(), temperature_c=heat())


def _progress(job: Job, number: int, count: int, left_s: float) -> str:
    about = f", about {_duration(left_s)} left" if left_s else ""
    return f"{number}/{count} {job.name}{about}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def to_terminal(text: str) -> None:
    """A line about what begins now; on a terminal it takes the last one's place."""
    end = "\r" if sys.stderr.isatty() else "\n"
    width, line = 118, one_line(text)
    print(f"{line[:width]:{width}}" if end == "\r" else line, end=end, file=sys.stderr, flush=True)
