"""The class of a CPU is told by two kinds of instructions, and by what the runtime was found to make of the second."""

import pytest

from parity.measure.arithmetic import FLOAT32_KERNELS, HALF_AND_FLOAT, HALF_AND_HALF
from parity.measure.half_compute import HalfCompute
from parity.runtimes.cpu_class import CpuClass, cpu_class
from parity.runtimes.host import half_compute

# Features as they were recorded, what FP16 compute was recognised as, and what is said of such a CPU.
KNOWN = {
    "Zen 4": (
        "avx2 avx512f avx512_vnni f16c fma", HALF_AND_FLOAT,
        "integer dot product (avx512_vnni); FP16 arithmetic emulated (half products, float sums)",
    ),
    "Zen 3": ("avx2 f16c fma", HALF_AND_FLOAT, "no integer dot product; FP16 arithmetic emulated (half products, float sums)"),
    "Sapphire Rapids": (
        "avx2 avx512f avx512_vnni avx512_fp16 amx_int8", HALF_AND_HALF,
        "integer dot product (avx512_vnni, amx_int8); FP16 arithmetic (avx512_fp16, half products, half sums)",
    ),
    "Cortex-A53": ("", FLOAT32_KERNELS, "no integer dot product; no FP16 arithmetic"),
    "Cortex-A76": (
        "atomics fphp asimdhp asimddp", HALF_AND_HALF,
        "integer dot product (asimddp); FP16 arithmetic (asimdhp, half products, half sums)",
    ),
    "with SME2": (
        "fphp asimdhp asimddp i8mm sme sme2", HALF_AND_FLOAT,
        "integer dot product (asimddp, i8mm, sme, sme2); FP16 arithmetic (asimdhp, half products, float sums)",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("features", "kind", "told"), KNOWN.values(), ids=KNOWN)
def test_a_class_is_said_in_words(features: str, kind: str, told: str) -> None:
    found = CpuClass.of(features.split(), HalfCompute(kind=kind, added=1, cancelled=0))
    assert str(found) == told
    assert bool(found.integer_dots) == ("no integer" not in told)


def test_this_machine_is_of_a_class_that_its_self_test_told() -> None:
    assert cpu_class().half_compute == half_compute().kind
