"""The headline as tables, for a terminal and for a page."""

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.table import Table

from parity.latency.headline import BASE, Headline, Row
from parity.latency.laps import Laps
from parity.latency.latencies import Timed
from parity.measure.race import Times
from parity.report.markdown import cell, table
from reference.progress import show_table
from reference.spec.stages import CONDITIONER, DECODER, DIT, GENERATION, STAGE_TABLE

MB, GB, GIGA = 1e6, 1e9, 1e9
TITLES = (
    "threads", "variant", "conditioner s", "DiT step s", "decode s", "end to end s", "times FP32", "x real time", "overhead",
    "peak memory", "files", "verdict",
)  # fmt: skip
PEER_TITLES = ("threads", "runtime", "conditioner s", "DiT step s", "decode s", "sum s", "times ours", "answers")
PUBLISHED = (
    "Published by Google and Arm for this model (blog, 2026-05-14): DiT 3x faster and 4x smaller in INT8; 11 s of audio in 4.3 s "
    "instead of 10 s on a MacBook M4 (2.3x), in 6.6 s instead of 14 s on a phone with SME2 (2.1x), one thread each."
)


def show(headline: Headline, console: Console) -> None:
    """Print all tables."""
    for title, titles, rows in _tables(headline):
        table = Table(title=title, title_justify="left")
        for name in titles:
            table.add_column(name, justify="left" if name in ("variant", "runtime", "verdict", "answers") else "right")
        for row in rows:
            table.add_row(*row)
        show_table(console, table)
    for line in notes(headline):
        console.print(line, highlight=False, soft_wrap=True)


def markdown(headline: Headline) -> str:
    """The same as Markdown."""
    tables = "\n\n".join(f"{title}:\n\n{table(titles, rows)}" for title, titles, rows in _tables(headline))
    return "\n".join([tables, "", *(f"- {cell(line)}" for line in notes(headline))]) + "\n"


def notes(headline: Headline) -> Iterator[str]:
    """What the tables say in sentences."""
    here, rows = headline.machine, {row.name: row for row in headline.rows}
    features = " ".join(here["cpu_features"])
    yield f"{here['cpu_model']} ({features}), {here['cpu_cores']} cores, {here['memory_bytes'] / GB:.0f} GB; medians, in turns."
    yield f"CPU class: {here['cpu_class']}."
    for row in headline.rows:
        yield f"`{row.name}`: {row.label}."
    for threads, peak in headline.peaks.items():
        parts = ", ".join(f"{name} {rate / GIGA:.0f} GMAC/s" for name, rate in peak.items())
        yield f"Peak of one large dense layer, {_counted(threads)}: {parts}."
        for row in headline.rows:
            yield f"{row.name}, {_counted(threads)}: {_rates(headline, row, threads)}."
    fast, base = rows.get("litert_int8_fast"), rows.get(BASE)
    if fast and base:
        smaller = base.size_bytes[DIT] / fast.size_bytes[DIT]
        yield f"INT8 DiT: {smaller:.2f}x smaller, {', '.join(_faster(base, fast, threads) for threads in fast.laps)}."
    yield PUBLISHED


def _counted(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


def _faster(base: Row, fast: Row, threads: int) -> str:
    slow, quick = (row.laps[threads].stages[DIT].median_s for row in (base, fast))
    return f"{slow / quick:.2f}x faster ({_counted(threads)})"


def _tables(headline: Headline) -> Iterator[tuple[str, tuple[str, ...], list[list[str]]]]:
    title = f"{headline.audio_s:.2f} s of audio, {headline.steps} steps, medians in seconds (noisy ones in brackets)"
    base = next((row for row in headline.rows if row.name == BASE), None)
    threads_used = list(headline.rows[0].laps)
    yield title, TITLES, [_cells(headline, row, threads, base) for threads in threads_used for row in headline.rows]
    if headline.peers:
        yield "Other runtimes, stage by stage in turns", PEER_TITLES, list(_peer_rows(headline))


def _cells(headline: Headline, row: Row, threads: int, base: Row | None) -> list[str]:
    laps = row.laps[threads]
    parts = {stage: laps.stages[stage] for stage in GENERATION}
    ratio = "-" if base is None else f"{base.laps[threads].total.median_s / laps.total.median_s:.2f}"
    return [
        str(threads), f"`{row.name}`", figure(parts[CONDITIONER]), figure(parts[DIT], headline.steps),
        figure(parts[DECODER]), figure(laps.total), ratio, f"{headline.audio_s / laps.total.median_s:.1f}",
        f"{100 * laps.overhead:.2f} %", f"{row.peak_bytes / GB:.2f} GB", f"{sum(row.size_bytes.values()) / MB:.0f} MB",
        row.verdict if laps.deterministic else "refuse (differs from run to run)",
    ]  # fmt: skip


def figure(times: Times, calls: int = 1) -> str:
    """The median of one call, in brackets where the rounds differ too much."""
    text = f"{times.median_s / calls:.3g}"
    return f"({text})" if times.noisy else text


def _rates(headline: Headline, row: Row, threads: int) -> str:
    """Multiplications a second per stage, and the share of the peak."""
    laps: Laps = row.laps[threads]
    parts = []
    for stage in (DIT, DECODER):
        calls = STAGE_TABLE[stage].calls_in(headline.steps)
        rate = calls * headline.macs[stage] / laps.stages[stage].median_s
        shares = ", ".join(f"{100 * rate / peak:.0f} % of {name}" for name, peak in headline.peaks[threads].items())
        parts.append(f"{stage} {rate / GIGA:.0f} GMAC/s ({shares})")
    return "; ".join(parts)


def _peer_rows(headline: Headline) -> Iterable[list[str]]:
    for threads, stages in headline.peers.items():
        names = list(stages[DIT])
        sums = {name: _sum(stages, name, headline.steps) for name in names}
        ours = sums.get("litert_int8_fast")
        for name in sorted(names, key=lambda name: sums[name]):
            timed = [stages[stage][name] for stage in GENERATION]
            failed = [str(v) for found in timed for v in found.verdicts if not v.ok]
            yield [
                str(threads), f"`{name}`", *(figure(found.times) for found in timed), f"{sums[name]:.3g}",
                "-" if ours is None else f"{sums[name] / ours:.2f}", "within budget" if not failed else f"wrong: {failed[0]}",
            ]  # fmt: skip


def _sum(stages: dict[str, dict[str, Timed]] | object, name: str, steps: int) -> float:
    assert isinstance(stages, dict)
    return float(sum(STAGE_TABLE[stage].calls_in(steps) * stages[stage][name].times.median_s for stage in GENERATION))
