"""How much memory this process has taken at most."""

import sys
from pathlib import Path

KIB = 2**10
STATUS = Path("/proc/self/status")


def peak_resident_bytes(status: Path = STATUS) -> int:
    """Peak resident bytes of this process since its program was started.

    Linux's `ru_maxrss` also counts what the parent had when it started the program; the kernel's own high-water mark of
    the address space does not.
    """
    if status.exists():
        for line in status.read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "VmHWM":
                return int(value.split()[0]) * KIB
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else KIB)
