"""What was said of Arm CPUs before this page was written by a program, held to what is found.

Said on 2026-11-25 of LiteRT 2.3.0, the tiny model and the case drums, on CPUs that qemu 11.1.3 emulated, with that day's limits.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from parity.arm.asked import Asked, Found, calls_of, groups, most_apart, unlike
from parity.arm.cell import error_of, share, worst_of
from parity.measure.pooled import POOLED
from reference.spec.stages import CONDITIONER, DECODER, DIT, ENCODER

A53, A76, N2, V1, OFF, SME2 = "cortex-a53", "cortex-a76", "neoverse-n2", "neoverse-v1", "sme-off", "sme2-512"
CPUS = (A53, A76, N2, SME2)
POINTS = 3  # of a hundred: shares that are nearer are the same
# The worst value in parts of its limit, on `CPUS`.
SHARES = {
    (CONDITIONER, "litert_fp32"): ("27 %", "27 %", "46 %", "46 %"),
    (DIT, "litert_fp32"): ("28 %", "28 %", "28 %", "30 %"),
    (DECODER, "litert_fp32"): ("31 %",) * 4,
    (ENCODER, "litert_fp32"): ("17 %",) * 4,
    (DIT, "litert_int8"): ("58 %", "57 %", "57 %", "57 %"),
    (DIT, "litert_int8_weight_only"): ("51 %",) * 4,
    (DIT, "litert_int4_blockwise"): ("49 %",) * 4,
    (DIT, "litert_fp16_weights"): ("44 %",) * 4,
    (DECODER, "litert_int8_fast"): ("64 %",) * 4,
    (CONDITIONER, "litert_fp16"): ("33 %", "60 %", "60 %", "960 NaN"),
    (DIT, "litert_fp16"): ("13 %", "3840 NaN", "NaN", "2800 %"),
    (DECODER, "litert_fp16"): ("15 %", "109 %", "109 %", "34 %"),
    (ENCODER, "litert_fp16"): ("0.92x of the low limit", "134 %", "134 %", "32 %"),
}
# Who gives the same bits.
BITS = {(DIT, "litert_fp32"): ({A53, A76}, {N2, V1, OFF}, {SME2}), (DIT, "litert_int8"): ({A53}, {A76, N2, V1}, {SME2})}
INT8_DIT, APART = (DIT, "litert_int8"), 1.2e-2
FACTOR = 2  # within which distances are alike
CONFIRMED, CORRECTED = "confirmed", "corrected"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What was said, what is found, and whether that is the same."""

    said: str
    found: str
    holds: bool

    @property
    def verdict(self) -> str:
        return CONFIRMED if self.holds else CORRECTED


def claims(found: Found) -> Iterator[Claim]:
    """All that CPUs were asked about."""
    whole, again = ({one.name: one for one in asked} for asked in (found.whole, found.again))
    if set(CPUS) <= whole.keys():
        yield from (_share(found, stage, variant) for stage, variant in SHARES)
        yield from _bits(whole, {one.name: one for one in found.twins})
        yield _apart(found, whole)
        yield from (_same(f"{one.name} gives the bits of {N2}", one, whole[N2]) for one in found.twins)
        yield _same("SME2, seen with vectors of 256 bits: 1 and 2 threads give the same bits", again[SME2], whole[SME2])


def same_share(said: str, found: str) -> bool:
    """Whether two shares are the same in the digits that count."""
    if said.endswith(" %") and found.endswith(" %"):
        return abs(float(said[:-2]) - float(found[:-2])) <= POINTS
    return said == found


def _share(found: Found, stage: str, variant: str) -> Claim:
    checks = [found.checks(variant, stage, cpu) for cpu in CPUS]
    said, now = SHARES[stage, variant], tuple(map(share, checks))
    pooled = all(worst_of(one).metric == POOLED for one in checks)
    since = " (the pooled error, which was not judged then)" if pooled else ""
    holds = all(map(same_share, said, now))
    return Claim(said=f"{stage}, {variant}: {_listed(said)}", found=f"{_listed(now)}{since}", holds=holds)


def _bits(whole: Mapping[str, Asked], twins: Mapping[str, Asked]) -> Iterator[Claim]:
    everyone = {**whole, **twins}
    for (stage, variant), said in BITS.items():
        names = [name for name in (*CPUS, *twins) if any(name in group for group in said)]
        now = groups([everyone[name] for name in names], variant, stage)
        known = [[name for name in names if name in group] for group in said]
        same = sorted(known) == sorted(now)
        yield Claim(said=f"{stage}, {variant}, bits: {_grouped(known)}", found=_grouped(now), holds=same)


def _apart(found: Found, whole: Mapping[str, Asked]) -> Claim:
    """How far INT8 answers of this machine are from those of CPUs that quantize what layers are fed with other kernels."""
    stage, variant = INT8_DIT
    here, others = found.whole[0], (A76, N2, SME2)
    far = [most_apart(here, whole[name], variant, stage) for name in others]
    errors = [error_of(found.checks(variant, stage, name)) or 0.0 for name in (here.name, *others)]
    return Claim(
        said=f"{stage}, {variant}: from {A76} up {APART:.1e} from what x86 answers, about as far as either is from the truth",
        found=f"at most {_numbers(far)} from it on {', '.join(others)}; from the truth {_numbers(errors)} ({here.name} first)",
        holds=all(max(errors) / FACTOR <= one <= max(errors) * FACTOR for one in far),
    )


def _same(said: str, few: Asked, other: Asked) -> Claim:
    return Claim(said=said, found=f"{few.name}: {same_told(few, other)}", holds=not unlike(few, other))


def same_told(few: Asked, other: Asked) -> str:
    """Whether two give the same bits, in words."""
    return f"other bits: {'; '.join(unlike(few, other))}" if unlike(few, other) else f"the same in all {calls_of(few)} calls"


def _listed(shares: tuple[str, ...]) -> str:
    return " / ".join(shares)


def _grouped(names: list[list[str]]) -> str:
    return " ".join(f"({', '.join(group)})" for group in names)


def _numbers(values: list[float]) -> str:
    return ", ".join(f"{value:.1e}" for value in values)
