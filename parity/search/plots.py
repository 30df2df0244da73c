"""Pictures of a search: what was expected beside what was measured, and the front."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from parity.search.point import Point
from parity.search.search import Found
from parity.search.sensitivity import BYTES

SIZE_INCHES, DPI = (6.5, 4.2), 110
MEGA = 1e6


def expected_and_measured(found: Found) -> str:
    """Distances as the additive model tells them, beside those measured, as base64 of a PNG; the line is where both agree."""
    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    axes = figure.subplots()
    if found.told:
        expected, measured = np.array(found.told).T
        axes.loglog(expected, measured, "o", markersize=4, color="#4a78c5")
        ends = [min(expected.min(), measured.min()), max(expected.max(), measured.max())]
        axes.plot(ends, ends, linewidth=1, color="#888888")
    axes.set_xlabel("expected distance: squares of single errors added")
    axes.set_ylabel("measured distance")
    return _encoded(figure)


def front_picture(found: Found) -> str:
    """All that was measured, the front among it, the knee and this project's recipes, as base64 of a PNG."""
    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    axes = figure.subplots()
    objective = found.wanted.objective
    for points, style, label in (
        (found.measured, {"marker": ".", "color": "#999999", "linestyle": ""}, "measured"),
        (found.points, {"marker": "o", "color": "#2e7d32", "linestyle": "-"}, "front"),
        (found.own, {"marker": "^", "color": "#c62828", "linestyle": ""}, "recipes of this project"),
        ([found.knee] if found.knee else [], {"marker": "D", "color": "#f9a825", "linestyle": ""}, "knee"),
    ):
        axes.semilogx(*_columns(points, objective), label=label, **style)
    for own in found.own:
        axes.annotate(own.name, _scaled(own, objective), fontsize=7, xytext=(4, 4), textcoords="offset points")
    axes.set_xlabel("distance to the original")
    axes.set_ylabel("MB of the file" if objective == BYTES else "time of a call, in shares of float's")
    axes.legend(fontsize=8)
    return _encoded(figure)


def _columns(points: Sequence[Point], objective: str) -> tuple[list[float], list[float]]:
    pairs = [_scaled(point, objective) for point in points]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _scaled(point: Point, objective: str) -> tuple[float, float]:
    distance, second = point.values(objective)
    return distance, second / MEGA if objective == BYTES else second


def _encoded(figure: Figure) -> str:
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=DPI)
    return base64.b64encode(png.getvalue()).decode()
