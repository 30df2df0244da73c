"""The machine of a run, as far as it can be read: what a figure of speed is worth nothing without."""

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from parity.device.record.machine import SYSFS, governor, temperature_c
from parity.runtimes.environment import environment


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
