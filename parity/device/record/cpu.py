"""The CPU a process runs on, as the process itself sees it: under an emulator the guest's, never the host's.

Source: Linux `arch/arm64/include/uapi/asm/hwcap.h`, `include/uapi/linux/auxvec.h` and `prctl.h`; macOS `sysctl hw.optional.arm`.
"""

import ctypes
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path

from litert_pipeline.run.arm_cpu import ARM_MACHINES, AT_HWCAP, AUXV, auxiliary

CPUINFO = Path("/proc/cpuinfo")
AT_HWCAP2 = 26
# Bits of the two words, of the features that this project's kernels care about.
HWCAP_BITS = {"atomics": 8, "fphp": 9, "asimdhp": 10, "asimddp": 20, "sve": 22}
HWCAP2_BITS = {"sve2": 1, "i8mm": 13, "bf16": 14, "sme": 23, "sme2": 37}
PR_SVE_GET_VL, PR_SME_GET_VL, VL_MASK = 51, 64, 0xFFFF
X86_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "f16c", "fma", "avx512_fp16", "amx_int8")
PARTS = {  # MIDR part numbers of Arm's own cores
    0xD03: "Cortex-A53", 0xD05: "Cortex-A55", 0xD08: "Cortex-A72", 0xD0B: "Cortex-A76", 0xD0C: "Neoverse-N1",
    0xD40: "Neoverse-V1", 0xD41: "Cortex-A78", 0xD46: "Cortex-A510", 0xD47: "Cortex-A710", 0xD48: "Cortex-X2",
    0xD49: "Neoverse-N2", 0xD4D: "Cortex-A715", 0xD4E: "Cortex-X3", 0xD4F: "Neoverse-V2", 0xD80: "Cortex-A520",
    0xD81: "Cortex-A720", 0xD82: "Cortex-X4", 0xD85: "Cortex-X925", 0xD87: "Cortex-A725",
}  # fmt: skip
ARM = 0x41  # its implementer code


def cpu() -> dict[str, object]:
    """Model, features and, where there are any, lengths of scalable vectors."""
    return {"model": model(), "features": features(), "vector_bytes": vector_bytes()}


def model(cpuinfo: Path = CPUINFO) -> str:
    """What the CPU calls itself."""
    if platform.system() == "Darwin":
        return _sysctl("machdep.cpu.brand_string").partition(": ")[2].strip() or "unknown"
    cores = sorted(set(_arm_cores(cpuinfo)))  # Arm's own lines say more than the model name beside them
    return ", ".join(cores) or dict(_fields(cpuinfo)).get("model name", platform.processor() or "unknown")


def features(auxv: Path = AUXV, cpuinfo: Path = CPUINFO) -> list[str]:
    """Of those this project's kernels care about."""
    if platform.system() == "Darwin":
        lines = (line.partition(": ") for line in _sysctl("hw.optional.arm").splitlines())
        return sorted(name.rpartition("FEAT_")[2].lower() for name, _, on in lines if "FEAT_" in name and on.strip() == "1")
    if platform.machine() not in ARM_MACHINES:
        flags = dict(_fields(cpuinfo)).get("flags", "").split()
        return [name for name in X86_FLAGS if name in flags]
    return arm_features(auxv.read_bytes() if auxv.exists() else b"")


def arm_features(auxv: bytes) -> list[str]:
    """Those of an Arm CPU, in the auxiliary vector that the kernel hands every process."""
    words = auxiliary(auxv)
    first, second = words.get(AT_HWCAP, 0), words.get(AT_HWCAP2, 0)
    found = [name for name, bit in HWCAP_BITS.items() if first >> bit & 1]
    return found + [name for name, bit in HWCAP2_BITS.items() if second >> bit & 1]


def vector_bytes() -> dict[str, int]:
    """Lengths of SVE's and SME's vectors in this process; empty where there are none."""
    if platform.system() != "Linux" or platform.machine() not in ARM_MACHINES:
        return {}
    prctl = ctypes.CDLL(None).prctl
    found = {"sve": prctl(PR_SVE_GET_VL, 0, 0, 0, 0), "sme": prctl(PR_SME_GET_VL, 0, 0, 0, 0)}
    return {name: length & VL_MASK for name, length in found.items() if length > 0}


def _fields(cpuinfo: Path) -> Iterator[tuple[str, str]]:
    """Names and values of `/proc/cpuinfo`, the last core's first so that the first one's win in a dict."""
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines() if cpuinfo.exists() else []
    for line in reversed(lines):
        name, separator, value = line.partition(":")
        if separator:
            yield name.strip(), value.strip()


def _arm_cores(cpuinfo: Path) -> Iterator[str]:
    """Every core's name, or its numbers."""
    implementers = [int(value, 16) for name, value in _fields(cpuinfo) if name == "CPU implementer"]
    parts = [int(value, 16) for name, value in _fields(cpuinfo) if name == "CPU part"]
    for implementer, part in zip(implementers, parts, strict=False):
        known = PARTS.get(part) if implementer == ARM else None
        yield known or f"implementer {implementer:#x} part {part:#x}"


def _sysctl(name: str) -> str:
    return subprocess.run(["sysctl", name], capture_output=True, text=True, check=False).stdout
