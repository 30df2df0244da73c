"""`report.html`: the verdict for a person. One file, no scripts, everything from outside escaped."""

import math
from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import jinja2

from parity.bundles.assignment_table import COLUMNS, cells
from parity.device.device import Device
from parity.explain.activation import WARN_SHARE, Activation
from parity.explain.evidence import StepFigures
from parity.explain.inside.blocks import by_block
from parity.explain.inside.module_error import ModuleError
from parity.explain.sounds import PLAYED_S, Sound
from parity.explain.suspects import PIPELINE_ORDER
from parity.explain.swap_matrix import SwapMatrix
from parity.measure.verdict import ARTIFACT, LADDERS, TEACHER_FORCED, Verdict
from parity.report.bundle_verdict import NOT_JUDGED, PUBLISH, REFUSE, Shared
from parity.report.latency import COLUMNS as LATENCY_COLUMNS
from parity.report.latency import cells as cells_of_latency
from parity.report.report import Report
from parity.report.rows import worst
from reference.spec.stages import GENERATION

TEMPLATES = Path(__file__).parent / "templates"
PLOT_WIDTH, PLOT_HEIGHT, MARGIN_LEFT, MARGIN = 900, 320, 50, 12
TOP_DB, GRID_DB = 160.0, 20  # float32 rounding is near 130 dB
MIXES = [mix for count in range(1, len(GENERATION) + 1) for mix in combinations(GENERATION, count)]
MIB = 2**20
BAR_PIXELS, BAR_MOST = 60, 300  # of a bar at its limit, and of the longest
NEXT_STEPS = {  # by verdict
    PUBLISH: "may be published as it is; 'stable-audio-parity card REPORT --embed README.md' puts the verdict on its page",
    REFUSE: "is not to be published: mend what is named below or, where it is faithful, choose a nearer recipe, and ask again",
    NOT_JUDGED: "was not judged: ask again on a machine that runs it, or on the device itself with a kit ('pack')",
}
Matrix = dict[tuple[str, str, str], dict[str, Any]]  # by (variant, stage, ladder)
COLOURS = (
    "#4a78c5", "#d9822b", "#2e8b57", "#b5179e", "#8c564b", "#d62728", "#17a2b8", "#7f7f7f", "#9467bd", "#bcbd22",
    "#e377c2", "#5f9ea0", "#a0522d", "#556b2f", "#003f5c", "#ff6361", "#1b9e77", "#6a3d9a",
)  # fmt: skip


def page(report: Report) -> str:
    """The page as text."""
    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    judged = [check for check in report.checks if check.ladder != ARTIFACT]
    evidence = report.evidence
    return environment.get_template("report.html.j2").render(
        report=report,
        evidence=evidence,
        variants=list(dict.fromkeys(check.variant for check in judged)),
        columns=_columns(judged),
        matrix=_with_shared(_matrix(judged), report.shared),
        shared={(found.variant, found.stage, TEACHER_FORCED) for found in report.shared},
        curves=list(_curves(evidence.steps)),
        plot={"width": PLOT_WIDTH, "height": PLOT_HEIGHT, "ticks": [_tick(db) for db in range(0, int(TOP_DB), GRID_DB)]},
        layers=[_layer(variant, stage, errors) for (variant, stage), errors in evidence.layers.items()],
        swaps=[_swap(matrix) for matrix in evidence.swaps],
        mixes=MIXES,
        stages=GENERATION,
        activations=[_activation(found) for found in evidence.activations],
        sounds=[_sound(sound) for sound in evidence.sounds],
        model=report.model.in_words(),
        environment=report.environment.in_words(),
        times=_times(report.devices),
        latency=list(map(cells_of_latency, report.latency)),
        latency_columns=LATENCY_COLUMNS,
        next_steps=NEXT_STEPS,
        played_s=PLAYED_S,
        assignments=[cells(row) for row in report.assignments],
        assignment_columns=COLUMNS,
    )


def _times(devices: Sequence[Device]) -> dict[str, list[str]]:
    """Times of a call and of opening, in words, device by device."""
    found = [_told_times(device) for device in devices]
    rows = dict.fromkeys(row for times in found for row in times)
    return {row: [times.get(row, "-") for times in found] for row in rows}


def _told_times(device: Device) -> dict[str, str]:
    raced = {
        f"{one.stage}, {one.variant}, {one.threads} thread{'s' if one.threads > 1 else ''}": f"{one.median_ms:.1f} ms"
        for one in device.times
    }
    alone = {
        f"{one.stage}, {one.variant}, opened alone": f"{one.open_s:.2f} s, {one.peak_bytes / MIB:.0f} MiB"
        for one in device.openings
    }
    return raced | alone


def _columns(checks: list[Verdict]) -> list[tuple[str, str]]:
    """(stage, ladder) pairs there are, in the order of the pipeline."""
    there = {(check.stage, check.ladder) for check in checks}
    order = [(stage, ladder) for ladder in LADDERS for stage in PIPELINE_ORDER]
    return [column for column in order if column in there]


def _with_shared(matrix: Matrix, shared: Iterable[Shared]) -> Matrix:
    """The matrix with what a file showed also where another variant runs it."""
    return matrix | {
        (found.variant, found.stage, TEACHER_FORCED): matrix[found.judged_as, found.stage, TEACHER_FORCED]
        for found in shared
        if (found.judged_as, found.stage, TEACHER_FORCED) in matrix
    }


def _matrix(checks: list[Verdict]) -> Matrix:
    """The worst check of each (variant, stage, ladder)."""
    found: dict[tuple[str, str, str], list[Verdict]] = defaultdict(list)
    for check in checks:
        found[check.variant, check.stage, check.ladder].append(check)
    shown = {key: worst(same) for key, same in found.items()}
    return {key: {"ok": check.ok, "worst": str(check), "share": _percent(check)} for key, check in shown.items()}


def _percent(check: Verdict) -> str:
    share = check.share_of_limit
    return f"{100 * share:.0f} %" if share < 100 else "> 9999 %" if math.isfinite(share) else "not finite, or too small"


def _curves(steps: Iterable[StepFigures]) -> Iterable[dict[str, str]]:
    """A polyline of velocity SNR over the steps, and the variants it belongs to: one line would hide an equal one."""
    values: dict[str, list[float]] = {}
    for step in steps:
        values.setdefault(step.variant, []).append(step.velocity_snr_db)
    variants: dict[str, list[str]] = {}
    for variant, snr_db in values.items():
        variants.setdefault(_points(snr_db), []).append(variant)
    for index, (points, names) in enumerate(variants.items()):
        yield {"variants": ", ".join(names), "colour": COLOURS[index % len(COLOURS)], "points": points}


def _points(snr_db: list[float]) -> str:
    width = (PLOT_WIDTH - MARGIN_LEFT - MARGIN) / max(1, len(snr_db) - 1)
    return " ".join(f"{MARGIN_LEFT + i * width:.1f},{_y(value):.1f}" for i, value in enumerate(snr_db))


def _y(db: float) -> float:
    """Vertical place of an SNR; what is not finite or off the scale lies on its edge."""
    shown = min(max(db, 0.0), TOP_DB) if not math.isnan(db) else 0.0
    return PLOT_HEIGHT - MARGIN - shown / TOP_DB * (PLOT_HEIGHT - 2 * MARGIN)


def _tick(db: int) -> dict[str, Any]:
    return {"y": _y(db), "label": f"{db} dB"}


def _layer(variant: str, stage: str, errors: list[ModuleError]) -> dict[str, Any]:
    """A stage at fault, block by block, each with its modules."""
    blocks = [
        {"name": block.name, "rows": [_row(error) for error in block.errors], **_row(block.worst)}
        for block in by_block(errors)
    ]
    return {"variant": variant, "stage": stage, "blocks": blocks}


def _row(error: ModuleError) -> dict[str, Any]:
    return {
        "path": error.path,
        "ok": error.ok,
        "isolated": f"{error.isolated:.1e}",
        "expected": f"{error.expected:.1e}",
        "accumulated": f"{error.accumulated:.1e}",
        "width": _bar(error.excess),
    }


def _swap(matrix: SwapMatrix) -> dict[str, Any]:
    return {
        "variant": matrix.variant,
        "case": matrix.case,
        "distances": [f"{matrix.distance_db[frozenset(mix)]:.2g}" for mix in MIXES],
        "shares": [f"{matrix.share_db[stage]:.2g}" for stage in GENERATION],
    }


def _activation(found: Activation) -> dict[str, Any]:
    return {
        "block": found.block,
        "module": found.module,
        "case": found.case,
        "largest": f"{found.largest:.3g}",
        "share": f"{100 * found.share:.2g} %",
        "ok": found.safe,
        "width": _bar(found.share / WARN_SHARE),
    }


def _sound(sound: Sound) -> dict[str, str]:
    """The bytes as addresses that fetch nothing."""
    return {
        "variant": sound.variant,
        "case": sound.case,
        "audio": f"data:audio/ogg;base64,{b64encode(sound.played).decode()}",
        "picture": f"data:image/webp;base64,{b64encode(sound.picture).decode()}",
    }


def _bar(ratio: float) -> int:
    return BAR_MOST if not ratio < BAR_MOST / BAR_PIXELS else round(ratio * BAR_PIXELS)
