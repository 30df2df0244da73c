"""The class of a CPU: what INT8 and FP16 compute buy there depends on two kinds of instructions, whatever its name is."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

from parity.device.record.cpu import features
from parity.measure.arithmetic import FLOAT32_KERNELS
from parity.measure.half_compute import HalfCompute
from parity.runtimes.host import half_compute

# As Linux and macOS call what sums products of INT8 in one instruction, and what calculates with whole vectors of FP16.
INTEGER_DOT_PRODUCTS = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "dotprod", "i8mm", "sme", "sme2")
HALF_VECTORS = ("avx512_fp16", "asimdhp", "fp16")


@dataclass(frozen=True, kw_only=True)
class CpuClass:
    """Features that sum products of INT8, features that calculate in FP16, and what LiteRT was found to do where it is asked for
    FP16 compute (`HalfCompute.kind`)."""

    integer_dots: tuple[str, ...]
    half_vectors: tuple[str, ...]
    half_compute: str

    @classmethod
    def of(cls, found: Collection[str], half: HalfCompute) -> "CpuClass":
        """The class of a CPU with the features `found`, on which the machine's self-test recognised `half`."""
        return cls(
            integer_dots=tuple(name for name in INTEGER_DOT_PRODUCTS if name in found),
            half_vectors=tuple(name for name in HALF_VECTORS if name in found),
            half_compute=half.kind,
        )

    @property
    def fp16(self) -> str:
        """What FP16 compute is there. A CPU with the instructions may run a runtime that does not use them."""
        if self.half_compute == FLOAT32_KERNELS:
            return "no FP16 arithmetic"
        how = "FP16 arithmetic" if self.half_vectors else "FP16 arithmetic emulated"
        return f"{how} ({', '.join((*self.half_vectors, self.half_compute))})"

    def __str__(self) -> str:
        dots = f"integer dot product ({', '.join(self.integer_dots)})" if self.integer_dots else "no integer dot product"
        return f"{dots}; {self.fp16}"


@cache
def cpu_class() -> CpuClass:
    """This machine's, under an emulator the guest's."""
    return CpuClass.of(features(), half_compute())
