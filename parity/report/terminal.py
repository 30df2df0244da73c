"""The verdict for a terminal."""

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from parity.bundles.assignment_table import assignment_table
from parity.measure.verdict import Verdict
from parity.report.bundle_verdict import NOT_JUDGED, PUBLISH, REFUSE
from parity.report.report import Report
from parity.report.rows import rows, told_place, worst
from reference.progress import coloured, show_table, tell

COLOURS = {PUBLISH: "green", REFUSE: "red", NOT_JUDGED: "yellow"}
NUMBERS = ("checks", "value", "limit", "of limit")
COLUMNS = ("stage", "variant", "ladder", *NUMBERS[:1], "worst metric", "case", *NUMBERS[1:], "verdict")


def show(report: Report, console: Console) -> None:
    """Print what foreign tensors stand for, the worst checks, whom to blame, a verdict for each bundle, then the run's."""
    if report.assignments:
        show_table(console, assignment_table(report.assignments))
    show_table(console, _table(report))
    for variant in report.left_out:
        tell(console, "yellow", "not judged", f"{variant.variant}: {variant.why}")
    for unseen in report.unseen:
        tell(console, "yellow", "not compared", str(unseen))
    for (name, judged_as), stages in _same_files(report).items():
        tell(console, "green", "same file", f"{', '.join(stages)} of {name}: judged as {judged_as}'s")
    for blame in report.blame():
        tell(console, "red", "blame", str(blame))
    for warning in report.evidence.warnings():
        tell(console, "yellow", "warning", warning)
    for device in report.devices:
        tell(console, "bold", "device", f"{device.name}: {', '.join(f'{name} {value}' for name, value in device.told.items())}")
        for note in device.notes:
            tell(console, "bold", "device", f"{device.name}: {note}")
    for stage, inputs in report.covered.items():
        tell(console, "bold", "covered", f"{stage}, beside the cases: {inputs}")
    if report.policy:
        tell(console, "bold", "policy", f"{report.policy.name}: {report.policy.about}")
    for found in report.verdicts():
        tell(console, COLOURS[found.verdict], found.verdict.upper(), str(found))
    colour = COLOURS[PUBLISH if report.publish else REFUSE]
    far = sum(not found.close_enough for found in report.verdicts())
    bundles = f", {far} bundle{'' if far == 1 else 's'} not close enough" if far else ""
    counted = f"{len(report.checks)} checks, {len(report.failed)} failed{bundles}"
    tell(console, colour, report.word, counted, between=": ")


def _same_files(report: Report) -> dict[tuple[str, str], list[str]]:
    """The stages of a variant that were judged under another one's name, by both."""
    found: dict[tuple[str, str], list[str]] = {}
    for shared in report.shared:
        found.setdefault((shared.variant, shared.judged_as), []).append(shared.stage)
    return found


def _table(report: Report) -> Table:
    table = Table(title="the worst check of each stage and variant", title_justify="left")
    for title in COLUMNS:
        table.add_column(title, justify="right" if title in NUMBERS else "left")
    for checks in rows(report.checks):
        table.add_row(*_cells(checks))
    for variant in report.left_out:
        table.add_row("-", variant.variant, *["-"] * (len(COLUMNS) - 3), coloured("not judged", "yellow"))
    return table


def _cells(checks: Sequence[Verdict]) -> list[str | Text]:
    check = worst(checks)
    metric = check.metric + ("" if check.step is None else f" step {check.step}")
    limit = f"{check.limit:.2e}" if check.value >= check.low_limit else f">= {check.low_limit:.2e}"
    verdict = coloured("ok", "green") if check.ok else coloured("FAIL", "red")
    stage, ladder = told_place(check)
    start = [stage, check.variant, ladder, str(len(checks)), metric, check.case]
    return [*start, f"{check.value:.2e}", limit, _share(check.share_of_limit), verdict]


def _share(share: float) -> str:
    """Part of the limit used up: percent, or how many times it was exceeded."""
    if not math.isfinite(share):
        return "-"
    return f"{100 * share:.0f} %" if share < 10 else f"{share:.1e} x"
