"""What the judged files took on some machine: measured apart from the verdict and shown beside it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from reference.spec.errors import InputError

COLUMNS = ("machine", "threads", "stage", "variant", "a call at the median", "times the yardstick's speed", "peak memory")
MILLI, MIB = 1000, 2**20


@dataclass(frozen=True, kw_only=True)
class Latency:
    """One variant's times of one stage, or end to end, on one machine with so many threads.

    `ratio`: how many times as fast as the yardstick of that run. `noisy`: its rounds spread too far for its times to mean much.
    `sha256` is of the files that were timed, by stage.
    """

    machine: str
    threads: int
    stage: str
    variant: str
    median_s: float
    iqr_s: float
    noisy: bool
    ratio: float | None
    peak_bytes: int | None
    sha256: Mapping[str, str] = field(default_factory=dict)


def of_judged(found: Sequence[Latency], variants: Collection[str], hashes: Collection[str]) -> list[Latency]:
    """The latencies of the judged variants. Raises InputError if there are none, or if they are of files with other hashes."""
    own = [one for one in found if one.variant in variants]
    if found and not own:
        there = ", ".join(dict.fromkeys(one.variant for one in found))
        raise InputError(f"the latencies given are of {there}, none of which is judged; measure these bundles")
    for one in own:
        if other := sorted(stage for stage, sha256 in one.sha256.items() if sha256 not in hashes):
            raise InputError(
                f"the latency of {one.variant} was measured with other files than are judged ({', '.join(other)}); measure again"
            )
    return own


def cells(one: Latency) -> list[str]:
    """One line of a table; of a noisy run no speed is told."""
    speed = "noisy" if one.noisy else f"{MILLI * one.median_s:.3g} ms"
    ratio = "-" if one.noisy or one.ratio is None else f"{one.ratio:.2f}"
    memory = "-" if one.peak_bytes is None else f"{one.peak_bytes / MIB:.0f} MiB"
    return [one.machine, str(one.threads), one.stage, one.variant, speed, ratio, memory]
