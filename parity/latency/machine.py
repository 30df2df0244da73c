"""The machine of a run, as far as it can be read: what a figure of speed is worth nothing without."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from parity.device.record.cpu import model
from parity.device.record.machine import SYSFS, governor, machine_id, temperature_c
from parity.runtimes.environment import environment


def machine(threads: int, sysfs: Path = SYSFS) -> dict[str, Any]:
    """CPU, features, versions, threads; affinity, governor and temperature where the system tells them, else None."""
    return {
        **asdict(environment(threads)),
        "machine_id": machine_id(),
        "cpu_model": model(),  # never the host's of an emulated CPU
        "affinity": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "governor": governor(sysfs),
        "temperature_c": temperature_c(sysfs),
    }
