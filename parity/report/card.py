"""`parity-card.md`: the verdict for the page a model is published on."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from parity.bundles.assignment_table import COLUMNS, cells
from parity.judge.left_out import LeftOut
from parity.judge.licence import REQUIRED
from parity.measure.verdict import Verdict

LICENCE = (
    f"A converted Stable Audio model is a derivative of Stability AI's and keeps its licence. Beside it belong {REQUIRED}. "
    "T5 is Google's, under Apache-2.0. `python -m parity gate --require-license` refuses a bundle without them."
)


def card(
    *,
    publish: bool,
    checks: list[Verdict],
    worst: Iterable[Verdict],
    model: Mapping[str, Any],
    environment: Mapping[str, Any],
    artifacts: list[dict[str, Any]],
    assignments: Sequence[dict[str, Any]] = (),
    left_out: Sequence[LeftOut] = (),
) -> str:
    """The page as Markdown; `worst` is the worst check of each stage, variant and ladder."""
    failed = sum(not check.ok for check in checks)
    parts = [
        f"# Parity: {'PUBLISH' if publish else 'REFUSE'}",
        f"{len(checks)} checks against the float64 reference, {failed} failed. " + _listed(model),
        "## Worst check of each stage",
        _table(("variant", "stage", "ladder", "metric", "case", "value", "limit", "verdict"), map(_row, worst)),
        *(f"{_cell(str(variant))}." for variant in left_out),
        "## Files",
        _table(("file", "bytes", "sha256"), ([f"`{f['path']}`", str(f["bytes"]), f"`{f['sha256']}`"] for f in artifacts)),
        *(("## Tensors", _table(COLUMNS, map(cells, assignments))) if assignments else ()),
        "## Judged on",
        _listed({name: value for name, value in environment.items() if name != "versions"}),
        _listed(environment.get("versions", {})),
        "## Latency",
        "Not part of the verdict: `pytest parity/ --benchmark-only` measures it on the machine at hand.",
        "## Licence",
        LICENCE,
    ]
    return "\n\n".join(parts) + "\n"


def _row(check: Verdict) -> list[str]:
    limits = f"{check.limit:.2e}" if check.value >= check.low_limit else f"at least {check.low_limit:.2e}"
    metric = check.metric if check.step is None else f"{check.metric}, step {check.step}"
    start = [check.variant, check.stage, check.ladder, metric, check.case]
    return [*start, f"{check.value:.2e}", limits, "ok" if check.ok else "**FAIL**"]


def _table(titles: tuple[str, ...], rows: Iterable[list[str]]) -> str:
    lines = [list(titles), ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    """Text that cannot end its cell."""
    return text.replace("|", "\\|").replace("\n", " ")


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_cell(str(value))}" for name, value in values.items()) + "."
