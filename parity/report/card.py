"""`parity-card.md`: the verdict for the page a model is published on."""

from collections.abc import Iterable, Mapping
from typing import Any

from parity.bundles.assignment_table import COLUMNS, cells
from parity.judge.licence import REQUIRED
from parity.measure.policy import Closeness
from parity.measure.verdict import Verdict
from parity.report import latency
from parity.report.artifact import Artifact
from parity.report.bundle_verdict import PUBLISH, BundleVerdict
from parity.report.front_matter import front_matter
from parity.report.markdown import cell, table
from parity.report.report import Report
from parity.report.rows import rows, told_place, worst

LICENCE = (
    f"A converted Stable Audio model is a derivative of Stability AI's and keeps its licence. Beside it belong {REQUIRED}. "
    "T5 is Google's, under Apache-2.0. `python -m parity gate --require-license` refuses a bundle without them."
)
BUNDLES = ("bundle", "verdict", "answers", "checks", "failed", "variants", "why")
STORED = ("bundle", "stage", "what its file stores", "its weights before", "computed in")
CLOSE = ("bundle", "distance", "worst", "where", "asked for", "verdict")


def card(report: Report) -> str:
    """The page as Markdown."""
    environment = report.environment.in_words()
    worst_checks = ("variant", "stage", "ladder", "metric", "case", "value", "limit", "verdict")
    parts = [
        front_matter(report),
        f"# Parity: {report.word}",
        *_reasons(report),
        f"{len(report.checks)} checks against the float64 reference, {len(report.failed)} failed. "
        + _listed(report.model.in_words()),
        *(("## Bundles", table(BUNDLES, map(_bundle, report.verdicts()))) if report.bundles else ()),
        *_close(report),
        *_stored(report),
        "## Worst check of each stage",
        table(worst_checks, (_row(worst(checks)) for checks in rows(report.checks))),
        *(f"Covered in {stage}, beside the cases: {cell(inputs)}." for stage, inputs in report.covered.items()),
        *(f"{cell(str(told))}." for told in (*report.left_out, *report.unseen)),
        "## Files",
        table(("file", "bytes", "sha256"), map(_file, report.files())),
        *(("## Tensors", table(COLUMNS, map(cells, report.assignments))) if report.assignments else ()),
        *_devices(report),
        "## Judged on",
        _listed(environment),
        _listed(report.environment.versions),
        "## Latency",
        "Not part of the verdict: `pytest --pyargs parity --benchmark-only` measures it on the machine at hand.",
        *((table(latency.COLUMNS, map(latency.cells, report.latency)),) if report.latency else ()),
        "## Licence",
        LICENCE,
    ]
    return "\n\n".join(parts) + "\n"


def _reasons(report: Report) -> Iterable[str]:
    """Why a bundle is not to be published, in a sentence each."""
    for found in report.verdicts():
        if found.verdict != PUBLISH:
            yield f"**{found.verdict.upper()}** `{cell(found.bundle.folder)}`: {cell(found.why)}."


def _bundle(found: BundleVerdict) -> list[str]:
    name, word = found.bundle.folder, f"**{found.verdict.upper()}**"
    return [f"`{name}`", word, found.answers, str(found.checks), str(found.failed), ", ".join(found.bundle.variants), found.why]


def _close(report: Report) -> Iterable[str]:
    """How far each bundle is from the original, and what the policy asks for; nothing without a policy."""
    if report.policy:
        yield "## Close enough?"
        yield f"Policy `{cell(report.policy.name)}` ({cell(report.policy.about)}), SHA-256 `{report.policy.sha256}`."
        yield table(CLOSE, (_distance(found, one) for found in report.verdicts() for one in found.close))
        yield from (cell(f"`{found.bundle.name}`: {one}.") for found in report.verdicts() for one in found.loaded)


def _distance(found: BundleVerdict, one: Closeness) -> list[str]:
    exempt = f", exempt until {one.exempt.until} by {one.exempt.owner}: {one.exempt.bar}" if one.exempt else ""
    verdict = "ok" if one.ok else f"**FAIL**, {one.wanted}"
    return [f"`{found.bundle.name}`", one.bar.distance.name, f"{one.told:.3g}", one.place, f"{one.bar}{exempt}", verdict]


def _stored(report: Report) -> Iterable[str]:
    """What the files store and compute, stage by stage; nothing where none was read."""
    rows = [
        [f"`{found.bundle.name}`", stage.stage, "; ".join(map(str, stage.portions)), stage.loaded or "-", stage.computed]
        for found in report.verdicts()
        for stage in found.bundle.arithmetic
    ]
    if rows:
        yield "## What the files store"
        yield table(STORED, rows)


def _devices(report: Report) -> Iterable[str]:
    """Where the answers were recorded; nothing where this machine gave them."""
    if report.devices:
        yield "## Recorded on"
    for device in report.devices:
        yield f"`{cell(device.name)}`: {_listed(device.told)}"
        yield "\n".join(f"- {cell(note)}" for note in device.notes)


def _file(same: list[Artifact]) -> list[str]:
    """Files with the same bytes, whichever bundles they lie in."""
    paths = ", ".join(f"`{artifact.path}`" for artifact in same)
    return [paths, str(same[0].bytes), f"`{same[0].sha256}`"]


def _row(check: Verdict) -> list[str]:
    limits = f"{check.limit:.2e}" if check.value >= check.low_limit else f"at least {check.low_limit:.2e}"
    metric = check.metric if check.step is None else f"{check.metric}, step {check.step}"
    stage, ladder = told_place(check)
    start = [check.variant, stage, ladder, metric, check.case]
    return [*start, f"{check.value:.2e}", limits, "ok" if check.ok else "**FAIL**"]


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {cell(str(value))}" for name, value in values.items()) + "."
