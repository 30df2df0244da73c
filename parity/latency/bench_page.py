"""A bench report as Markdown, or as a page with pictures."""

import base64
import io
from collections.abc import Iterable
from pathlib import Path

import jinja2
from matplotlib.figure import Figure

from parity.latency.bench_report import END_TO_END, Bench
from parity.measure.budget import YARDSTICK
from parity.report.markdown import table

TITLES = (
    "machine", "threads", "stage", "variant", "median ms", "IQR ms", "times yardstick", "GMAC/s", "of FP32 peak", "peak memory",
)  # fmt: skip
MILLI, MB = 1e3, 1e6
WIDTH_INCHES, BAR_INCHES, DPI = 8.0, 0.35, 110
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Latency</title>
<style>body{font:15px/1.4 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em}
table{border-collapse:collapse}td,th{padding:.2em .6em;border-bottom:1px solid #ddd;text-align:right}
td:nth-child(1),td:nth-child(3),td:nth-child(4){text-align:left}img{max-width:100%}</style>
<h1>Latency</h1>
{% for title, picture in pictures %}<h2>{{ title }}</h2>
<img alt="{{ title }}" src="data:image/png;base64,{{ picture }}">{% endfor %}
<h2>All figures</h2>
<table><tr>{% for title in titles %}<th>{{ title }}</th>{% endfor %}</tr>
{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}</table></html>
"""


def write_page(benches: list[Bench], path: Path, form: str) -> None:
    """Write the report to `path` in `form`, "md" or "html"."""
    path.write_text(markdown(benches) if form == "md" else html(benches), encoding="utf-8")


def markdown(benches: list[Bench]) -> str:
    """The table alone."""
    return table(TITLES, map(row, benches)) + "\n"


def html(benches: list[Bench]) -> str:
    """Pictures, then the table; nothing from elsewhere."""
    whole = [bench for bench in benches if bench.stage == END_TO_END]
    pictures = [("End to end, by stage", _bars(whole))] if whole else []
    if len({bench.threads for bench in whole}) > 1:
        pictures.append(("More threads", _scaling(whole)))
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(PAGE)
    encoded = [(title, base64.b64encode(png).decode()) for title, png in pictures]
    return template.render(pictures=encoded, titles=TITLES, rows=[row(bench) for bench in benches])


def row(bench: Bench) -> list[str]:
    """One line of the table; of a noisy run no figure of speed is told."""
    speed = ["noisy"] * 3 if bench.noisy else [
        f"{MILLI * bench.median_s:.3g}", _ratio(bench), _told(bench.gmac_per_s, ".0f"),
    ]  # fmt: skip
    share = "-" if bench.peak_share is None or bench.noisy else f"{100 * bench.peak_share:.0f} %"
    memory = "-" if bench.peak_bytes is None else f"{bench.peak_bytes / MB:.0f} MB"
    start = [bench.machine, str(bench.threads), bench.stage, bench.variant]
    return [*start, speed[0], f"{MILLI * bench.iqr_s:.2g}", *speed[1:], share, memory]


def _ratio(bench: Bench) -> str:
    """To the reference or, of a kit, to whichever variant is its first."""
    of_whom = "" if bench.yardstick == YARDSTICK or bench.ratio is None else f" of {bench.yardstick}'s"
    return _told(bench.ratio, ".2f") + of_whom


def _told(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _bars(whole: list[Bench]) -> bytes:
    """Stacked bars: the stages of every generation."""
    figure = Figure(figsize=(WIDTH_INCHES, 1 + BAR_INCHES * len(whole)), layout="constrained")
    axes = figure.subplots()
    names = [f"{bench.variant}, {bench.threads} threads, {bench.machine}" for bench in whole]
    left = [0.0] * len(whole)
    for stage in whole[0].stage_s:
        widths = [bench.stage_s.get(stage, 0.0) for bench in whole]
        axes.barh(names, widths, left=left, label=stage)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.invert_yaxis()
    axes.set(xlabel="seconds")
    axes.legend()
    return _png(figure)


def _scaling(whole: Iterable[Bench]) -> bytes:
    """How many times as fast with more threads."""
    figure = Figure(figsize=(WIDTH_INCHES, WIDTH_INCHES / 2), layout="constrained")
    axes = figure.subplots()
    by_line: dict[tuple[str, str], list[Bench]] = {}
    for bench in whole:
        by_line.setdefault((bench.machine_id, bench.variant), []).append(bench)
    for (_, variant), found in by_line.items():
        found.sort(key=lambda bench: bench.threads)
        speedup = [found[0].median_s / bench.median_s for bench in found]
        axes.plot([bench.threads for bench in found], speedup, marker="o", label=f"{variant}, {found[0].machine}")
    axes.set(xlabel="threads", ylabel="times as fast")
    axes.legend(fontsize="small")
    return _png(figure)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()
