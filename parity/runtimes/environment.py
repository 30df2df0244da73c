"""What machine, what versions: recorded with every verdict and every latency."""

import os
import platform
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import cpuinfo
import psutil

from litert_pipeline.versions import installed_versions

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

APPLE_SPELLINGS = {"dotprod": "asimddp"}


@dataclass(frozen=True, kw_only=True)
class Environment:
    """CPU model and features, cores, memory, threads used, versions, and in words what the integer kernels do, what FP16
    compute is, and what runtimes compute with that leave it to others."""

    cpu_model: str
    cpu_arch: str
    cpu_features: list[str]
    cpu_cores: int | None
    memory_bytes: int
    system: str
    python: str
    threads: int
    versions: Mapping[str, str]
    integer_kernels: str = ""
    fp16_compute: str = ""
    computed_with: str = ""

    def in_words(self) -> dict[str, str]:
        """All of it but the versions, for a person."""
        found = {**asdict(self), "cpu_features": " ".join(self.cpu_features), "memory_bytes": f"{self.memory_bytes:,}"}
        return {name: str(value) for name, value in found.items() if name != "versions" and value != ""}


@cache
def cpu_model() -> str:
    """What the CPU calls itself."""
    return str(_told_by_cpuinfo().get("brand_raw", "unknown"))


@cache
def cpu_features() -> tuple[str, ...]:
    """Which of `FEATURE_FLAGS` the CPU has."""
    flags = set(_told_by_cpuinfo().get("flags", [])) | apple_flags()
    return tuple(name for name, spellings in FEATURE_FLAGS.items() if flags.intersection(spellings))


@cache
def _told_by_cpuinfo() -> Mapping[str, Any]:
    """It raises a bare Exception on processors that it does not know, and whatever the tools it starts lead to."""
    with suppress(Exception):
        return dict(cpuinfo.get_cpu_info())
    return {}


def apple_flags() -> set[str]:
    """What macOS tells of an Arm CPU, spelled as Linux spells it."""
    if platform.system() != "Darwin":
        return set()
    output = subprocess.run(["sysctl", "hw.optional.arm"], capture_output=True, text=True, check=False).stdout
    return parse_sysctl(output)


def parse_sysctl(text: str) -> set[str]:
    """Features of lines such as `hw.optional.arm.FEAT_SME2: 1`."""
    pairs = (line.partition(": ")[::2] for line in text.splitlines())
    names = {name.rpartition("FEAT_")[2].lower() for name, value in pairs if "FEAT_" in name and value.strip() == "1"}
    return {APPLE_SPELLINGS.get(name, name) for name in names}


def environment(
    threads: int, integer_kernels: str = "", fp16_compute: str = "", computed_with: str = ""
) -> Environment:
    """This machine, with `threads` threads, and what is known of what it computes."""
    return Environment(
        cpu_model=cpu_model(),
        cpu_arch=platform.machine(),
        cpu_features=list(cpu_features()),
        cpu_cores=os.cpu_count(),
        memory_bytes=psutil.virtual_memory().total,
        system=platform.platform(),
        python=platform.python_version(),
        threads=threads,
        versions=installed_versions(),
        integer_kernels=integer_kernels,
        fp16_compute=fp16_compute,
        computed_with=computed_with,
    )
