"""The machine of a recording: what figures of speed are worth nothing without, and answers are compared by."""

import hashlib
import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from parity.device.record.cpu import cpu
from reference.spec.errors import InputError

SYSFS = Path("/sys")
MILLI = 1000  # sysfs tells thousandths of a degree
METRICS = "numpy"  # what answers are judged with, not who gives them
PACKAGES = ("ai-edge-litert", METRICS)
WORK_BYTES, TRIES = 2**22, 3  # of the small job that tells how fast the clock is
SLOWED = 1.1  # times what it took at first


def machine() -> dict[str, Any]:
    """CPU, system, versions; governor and temperature where the system tells them, else None."""
    return {
        "cpu": cpu(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "affinity": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "memory_bytes": _memory_bytes(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "governor": governor(),
        "temperature_c": temperature_c(),
    }


def require_one_device(folder: Path, sessions: Sequence[Mapping[str, Any]]) -> None:
    """Raise InputError if the sessions of a recording, each with its `machine` and `halves`, are not all of one device: what one
    answered would be published as another's."""
    for name, first in _told_apart_by(sessions[0]).items() if sessions else ():
        for session in sessions[1:]:
            other = _told_apart_by(session)[name]
            if None not in (first, other) and first != other:
                advice = "give each device, and each runtime on it, a folder of its own"
                raise InputError(f"{folder}: was begun where {name} is {first}, and goes on where it is {other}; {advice}")


def _told_apart_by(session: Mapping[str, Any]) -> dict[str, str | None]:
    """What decides how a device computes; None where it could not be found out."""
    machine, halves = session["machine"], session["halves"]
    runtime = ", ".join(f"{name} {told}" for name, told in machine["versions"].items() if name != METRICS)
    cpu = {f"the CPU's {name.replace('_', ' ')}": str(told) for name, told in machine["cpu"].items()}
    kind = None if halves is None else str(halves["kind"])
    return {"the architecture": machine["architecture"], **cpu, "FP16 compute": kind, "the runtime": runtime}


def beside_times() -> dict[str, Any]:
    """The same as it stands beside a figure of speed: flat, and with what the CPU is known by."""
    told = machine()
    cpu = told.pop("cpu")
    return {"machine_id": machine_id(), "cpu_model": cpu["model"], "cpu_features": cpu["features"], **told}


def machine_id() -> str:
    """The same for machines that should be equally fast: architecture, CPU, its features and cores."""
    parts = [platform.machine(), *cpu().values(), os.cpu_count()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def governor(sysfs: Path = SYSFS) -> str | None:
    """How the first core's clock is chosen."""
    return _text(sysfs / "devices/system/cpu/cpu0/cpufreq/scaling_governor")


def temperature_c(sysfs: Path = SYSFS) -> float | None:
    """The hottest reading there is."""
    found = [text for path in sysfs.glob("class/thermal/thermal_zone*/temp") if (text := _text(path))]
    return max((int(text) / MILLI for text in found), default=None)


@dataclass
class Throttling:
    """Whether the same small job takes longer than it did: the clock was lowered, or others run besides."""

    first_s: float = field(default_factory=lambda: small_job_s())

    def slowed(self) -> float | None:
        """How many times as long it takes now; None where that is within `SLOWED`."""
        times = small_job_s() / self.first_s
        return times if times > SLOWED else None


def small_job_s() -> float:
    """How long a fixed job takes, at best."""
    work = bytes(WORK_BYTES)

    def once() -> float:
        start = time.perf_counter()
        hashlib.sha256(work).digest()
        return time.perf_counter() - start

    return min(once() for _ in range(TRIES))


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
