"""Benchmark files from several machines side by side, and one held to an earlier one of the same machine.

A file is what `pytest parity/ --benchmark-only --benchmark-json=FILE` writes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from parity.report.latency import Latency
from reference.spec.errors import InputError
from reference.spec.section import Section, read_json

END_TO_END = "end to end"
LEAST_S, MOST = 1e-9, 1e15  # what a clock counts, and more than anything that is measured here
Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One variant's times of one stage, on one machine, with so many threads.

    `ratio` is the yardstick's median in the same run over this one: how many times as fast; None where the yardstick
    has no such stage. The `yardstick` is the reference or, on a device, the first variant of the kit.
    """

    machine: str
    machine_id: str
    features: tuple[str, ...]
    threads: int
    stage: str
    variant: str
    yardstick: str
    median_s: float
    iqr_s: float
    noisy: bool
    ratio: float | None
    gmac_per_s: float | None
    peak_share: float | None
    peak_bytes: int | None
    stage_s: dict[str, float] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)  # of the files that were timed, by stage

    @property
    def key(self) -> tuple[str, int, str, str]:
        """What it is, whenever it was measured."""
        return self.machine_id, self.threads, self.stage, self.variant


def read_benches(path: Path) -> list[Bench]:
    """The latencies in a benchmark file. Raises InputError if it is none, or holds none of ours."""
    listed = read_json(path).take("benchmarks", list)
    extras = {at: entry.get("extra_info") for at, entry in enumerate(listed) if isinstance(entry, dict)}
    entries = {at: extra for at, extra in extras.items() if isinstance(extra, dict) and "variant" in extra}
    if not entries:
        raise InputError(
            f"{path}: holds no latency of a variant; write one with 'pytest parity/ --benchmark-only --benchmark-json=FILE'"
        )
    try:
        benches = [_bench(Section(path, extra, f"benchmarks[{at}].extra_info")) for at, extra in entries.items()]
    except InputError as error:
        raise InputError(f"{error}; it was changed, or written by another version: run the benchmark again") from None
    yardsticks = {_place(bench): bench.median_s for bench in benches if bench.variant == bench.yardstick}
    return [replace(bench, ratio=_ratio(bench, yardsticks.get(_place(bench)))) for bench in benches]


def told_apart(benches: list[Bench]) -> list[Bench]:
    """The same, with features behind the name of a machine where another of that name lacks them, as with SME switched off."""
    names = {bench.machine: set[tuple[str, ...]]() for bench in benches}
    for bench in benches:
        names[bench.machine].add(bench.features)
    return [replace(bench, machine=_told_apart(bench, names[bench.machine])) for bench in benches]


def _told_apart(bench: Bench, all_features: set[tuple[str, ...]]) -> str:
    common = set.intersection(*map(set, all_features))
    own = [name for name in bench.features if name not in common]
    return bench.machine if len(all_features) == 1 else f"{bench.machine} ({' '.join(own) or 'without'})"


def latency_of(bench: Bench) -> Latency:
    """As a report of the gate shows it."""
    return Latency(
        machine=bench.machine, threads=bench.threads, stage=bench.stage, variant=bench.variant, median_s=bench.median_s,
        iqr_s=bench.iqr_s, noisy=bench.noisy, ratio=bench.ratio, peak_bytes=bench.peak_bytes, sha256=bench.sha256,
    )  # fmt: skip


def slower(now: Iterable[Bench], before: Iterable[Bench], limit: float) -> list[str]:
    """What lost more than `limit` times its ratio to the yardstick since `before`, on the same kind of machine.

    Ratios, not seconds: another day's clock is slower for all. Raises InputError if nothing can be compared.
    """
    earlier = {bench.key: bench for bench in before}
    pairs = [(bench, earlier[bench.key]) for bench in now if bench.key in earlier]
    firm = [(one, other) for one, other in pairs if not (one.noisy or other.noisy) and one.ratio and other.ratio]
    if not firm:
        raise InputError("nothing to compare with the baseline: other machines, or every figure is noisy; measure both again")
    return [
        f"{one.stage} of {one.variant}, {one.threads} threads: {other.ratio:.2f} times the yardstick's speed before, "
        f"{one.ratio:.2f} now"
        for one, other in firm
        if not (other.ratio or 0) <= limit * (one.ratio or 0)
    ]


def _bench(extra: Section) -> Bench:
    """One latency, not yet held to the yardstick's. Raises InputError for what the suite does not write."""
    shares = [_amount(extra, name) for name in ("share_of_fp32_peak", "share_of_int8_peak") if extra.has(name)]
    return Bench(
        machine=extra.take("cpu_model", str),
        machine_id=extra.take("machine_id", str),
        features=tuple(map(str, extra.take("cpu_features", list, []))),
        threads=extra.positive("threads"),
        stage=extra.take("stage", str),
        variant=extra.take("variant", str),
        yardstick=extra.take("yardstick", str),
        median_s=_amount(extra, "median_s", least=LEAST_S),
        iqr_s=_amount(extra, "iqr_s"),
        noisy=extra.take("noisy", bool),
        ratio=None,
        gmac_per_s=_amount(extra, "gmac_per_s") if extra.has("gmac_per_s") else None,
        peak_share=shares[0] if shares else None,
        peak_bytes=extra.take("peak_bytes", int, None),
        stage_s=_each(extra.optional_section("stage_s"), _amount),
        sha256=_each(extra.optional_section("artifact_sha256"), lambda section, key: str(section.take(key, str))),
    )


def _amount(extra: Section, key: str, least: float = 0.0) -> float:
    value: float = extra.take(key, float)
    if not least <= value <= MOST:
        raise InputError(f"{extra.file}: '{extra.path(key)}' must be from {least:g} to {MOST:g}, found {value:g}")
    return value


def _each(section: Section, take: Callable[[Section, str], Value]) -> dict[str, Value]:
    return {key: take(section, key) for key in section.names()}


def _ratio(bench: Bench, yardstick_s: float | None) -> float | None:
    return None if yardstick_s is None else yardstick_s / bench.median_s


def _place(bench: Bench) -> tuple[str, int, str]:
    return bench.machine_id, bench.threads, bench.stage
