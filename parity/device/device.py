"""A device that answers were recorded on, in words: what it is, how fast, and what was noticed there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from parity.device.record.answers import Answers
from parity.device.record.journal import JUDGED, KIT, LEFT
from parity.measure.verdict import Verdict

NAMED = 3  # that a sentence lists
MILLI = 1000
ROUNDING = 1e-9  # of a number: far more than orders of sums differ by, far less than any limit's headroom


@dataclass(frozen=True, kw_only=True)
class Time:
    """Median milliseconds of a call of a stage, raced in turns with the others."""

    stage: str
    variant: str
    threads: int
    median_ms: float


@dataclass(frozen=True, kw_only=True)
class Opening:
    """What opening a stage in a process of its own took, its first call, and the most memory that process had resident."""

    stage: str
    variant: str
    open_s: float
    first_call_s: float
    peak_bytes: int


@dataclass(frozen=True, kw_only=True)
class Device:
    """One device of a report."""

    name: str
    told: Mapping[str, str]
    times: Sequence[Time] = ()
    openings: Sequence[Opening] = ()
    notes: Sequence[str] = ()

    def noting(self, sentences: Iterable[str]) -> "Device":
        """The same with more that was noticed."""
        return replace(self, notes=[*self.notes, *sentences])


def device_of(name: str, answers: Answers) -> Device:
    """The device of a recording, as its last session tells: no journal is read without one."""
    machine = list(answers.journal.of(KIT))[-1]["machine"]
    times = [
        Time(stage=stage, variant=variant, threads=threads, median_ms=MILLI * seconds)
        for stage, threads, medians, _ in answers.races()
        for variant, seconds in medians.items()
    ]
    openings = [Opening(stage=stage, variant=variant, **found) for variant, stage, found in answers.openings()]
    notes = [*_slowed(answers), *answers.unlike_threads()]
    return Device(name=name, told=_told(machine, answers), times=times, openings=openings, notes=notes)


def agreement(answers: Answers, checks: Sequence[Verdict], called: Mapping[str, str]) -> str:
    """Whether the verdicts that were reached on the device are those of the host; `called`: variants here by what they are called
    there. Another numpy sums in another order."""
    here = {_key(check.to_json()): check.to_json() for check in checks}
    sessions = list(answers.journal.of(JUDGED))
    there = sessions[-1]["checks"] if sessions else []
    pairs = [(one, here.get(_key({**one, "variant": called[one["variant"]]}))) for one in there]
    unlike = [one["id"] for one, other in pairs if other is None or other["ok"] != one["ok"] or _apart(one, other) > ROUNDING]
    if unlike:
        return f"{len(unlike)} of {len(there)} verdicts that were reached on it are others here: {_listed(unlike)}"
    most = max((_apart(one, other) for one, other in pairs if other), default=0.0)
    exactly = f"but for rounding, at most {most:.0e} of a number" if most else "number for number"
    return f"all {len(there)} verdicts that were reached on it are these, {exactly}"


def differences(one: Answers, other: Answers) -> list[str]:
    """The stages whose answers to equal inputs differ between two recordings with one kit, and in how many calls."""
    found = []
    for variant, part in one.plan.own_parts:
        here, there = (dict(each.references(variant.name, part.stage)) for each in (one, other))
        common = [digest for digest in here if digest in there]
        unlike = sum(here[digest] != there[digest] for digest in common)
        if unlike:
            found.append(f"{part.stage}/{variant.name} in {unlike} of {len(common)} calls")
    return found


def _key(check: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a verdict is about."""
    return tuple(check[name] for name in ("stage", "variant", "case", "ladder", "metric", "step"))


def _apart(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """How far value and limits of two verdicts about the same are apart, relative to them."""
    pairs = [(float(one[name]), float(other[name])) for name in ("value", "limit", "low_limit")]
    return max(0.0 if _same(*pair) else abs(pair[0] - pair[1]) / max(map(abs, pair)) for pair in pairs)


def _same(one: float, other: float) -> bool:
    """NaN is NaN here, and infinity infinity."""
    return one == other or (one != one and other != other)


def _told(machine: Mapping[str, Any], answers: Answers) -> dict[str, str]:
    cpu, left = machine["cpu"], list(answers.journal.of(LEFT))
    found = {
        "cpu": f"{cpu['model']}, {machine['architecture']}, {machine['cores']} cores",
        "features": " ".join(cpu["features"]),
        "vectors": ", ".join(f"{name} {8 * length} bits" for name, length in cpu["vector_bytes"].items()),
        "FP16 compute": answers.halves,
        "system": machine["system"],
        "python": machine["python"],
        **machine["versions"],
        "governor": machine["governor"] or "",
        "temperature": _temperatures([machine["temperature_c"], *(one["temperature_c"] for one in left[-1:])]),
        "peak memory": _resident(left[-1]["peak_bytes"]) if left else "",
        "kit": answers.kit_id[:12],
    }
    return {name: str(value) for name, value in found.items() if value}


def _resident(size_bytes: int | None) -> str:
    return "" if size_bytes is None else f"{size_bytes / 2**30:.2f} GiB resident"


def _temperatures(found: Sequence[float | None]) -> str:
    return " to ".join(f"{celsius:.0f} C" for celsius in found if celsius is not None)


def _slowed(answers: Answers) -> list[str]:
    """Races behind which a fixed job took longer: their times are no figures of a cool device."""
    return [
        f"{stage} at {threads} threads was timed while a fixed small job took {slowed:.2f}x as long as at first"
        for stage, threads, _, slowed in answers.races()
        if slowed
    ]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f", and {len(names) - NAMED} more" if len(names) > NAMED else "")
