"""What machine, what versions: recorded with every verdict and every latency."""

import os
import platform
from functools import cache
from typing import Any

import cpuinfo
import psutil

from litert_pipeline.build.convert import installed_versions

# How the features this project's kernels care about are called in /proc/cpuinfo, per architecture.
FEATURE_FLAGS = {
    "dotprod": ("asimddp",),
    "i8mm": ("i8mm",),
    "sve": ("sve",),
    "sve2": ("sve2",),
    "sme": ("sme",),
    "sme2": ("sme2",),
    "avx2": ("avx2",),
    "avx512": ("avx512f",),
    "vnni": ("avx512_vnni", "avx512vnni", "avx_vnni"),
}


@cache
def cpu_model() -> str:
    """What the CPU calls itself."""
    return str(cpuinfo.get_cpu_info().get("brand_raw", "unknown"))


def environment(threads: int) -> dict[str, Any]:
    """CPU model and features, cores, memory, threads used, versions."""
    info = cpuinfo.get_cpu_info()
    flags = set(info.get("flags", []))
    return {
        "cpu_model": cpu_model(),
        "cpu_arch": platform.machine(),
        "cpu_features": [name for name, spellings in FEATURE_FLAGS.items() if flags.intersection(spellings)],
        "cpu_cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
        "python": platform.python_version(),
        "threads": threads,
        "versions": installed_versions(),
    }
