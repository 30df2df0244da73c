"""The machine of a run, as far as it can be read: what a figure of speed is worth nothing without."""

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from parity.runtimes.environment import environment

SYSFS = Path("/sys")
MILLI = 1000  # sysfs tells thousandths of a degree


def machine(threads: int, sysfs: Path = SYSFS) -> dict[str, Any]:
    """CPU, features, versions, threads; affinity, governor and temperature where the system tells them, else None."""
    return {
        **asdict(environment(threads)),
        "machine_id": machine_id(),
        "affinity": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "governor": governor(sysfs),
        "temperature_c": temperature_c(sysfs),
    }


def machine_id() -> str:
    """The same for machines that should be equally fast: architecture, CPU, its features and cores."""
    here = environment(1)
    parts = [here.cpu_arch, here.cpu_model, here.cpu_features, here.cpu_cores]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def governor(sysfs: Path = SYSFS) -> str | None:
    """How the first core's clock is chosen."""
    return _text(sysfs / "devices/system/cpu/cpu0/cpufreq/scaling_governor")


def temperature_c(sysfs: Path = SYSFS) -> float | None:
    """The hottest reading there is."""
    found = [text for path in sysfs.glob("class/thermal/thermal_zone*/temp") if (text := _text(path))]
    return max((int(text) / MILLI for text in found), default=None)


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
