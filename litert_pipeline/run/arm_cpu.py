"""What an Arm CPU has to have before LiteRT is loaded on it: without, the runtime ends the process instead of saying so.

Source: Linux `arch/arm64/include/uapi/asm/hwcap.h` and `include/uapi/linux/auxvec.h`; LiteRT's issues 5675 and 6083.
"""

import platform
import struct
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from reference.spec.errors import InputError

AUXV = Path("/proc/self/auxv")
AT_HWCAP = 16
ATOMICS = 8  # the bit of LSE atomics, which are Armv8.1's
ARM_MACHINES = ("aarch64", "arm64")
PACKAGE, ACCELERATOR = "ai_edge_litert", "libLiteRtWebGpuAccelerator.so"


def auxiliary(auxv: bytes) -> Mapping[int, int]:
    """The pairs of an auxiliary vector of this machine's word size, which the kernel hands every process."""
    pair = struct.calcsize("NN")
    return dict(struct.iter_unpack("NN", auxv[: len(auxv) // pair * pair]))


def accelerator() -> Path | None:
    """The library that CompiledModel loads beside itself; None if it is not there."""
    spec = find_spec(PACKAGE)
    places = [Path(place) / ACCELERATOR for place in (spec.submodule_search_locations or ())] if spec is not None else []
    return next((place for place in places if place.is_file()), None)


def require_atomics(auxv: Path = AUXV, machine: str | None = None, library: Path | None = None) -> None:
    """Raise InputError where CompiledModel would die of an illegal instruction; `library` is that of `accelerator`."""
    if (machine or platform.machine()) not in ARM_MACHINES or not auxv.exists():
        return
    library = library or accelerator()
    if auxiliary(auxv.read_bytes()).get(AT_HWCAP, 0) >> ATOMICS & 1 or library is None:
        return
    raise InputError(
        f"{library}: LiteRT's CompiledModel loads it and would end this process with an illegal instruction, for it needs LSE "
        "atomics and this CPU (Armv8.0) has none; run the bundle with the classic Interpreter (--runtime interpreter), or move "
        "that file, which is for GPUs, out of its folder"
    )
