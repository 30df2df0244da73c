"""What is printed is whole, whatever the terminal: no number and no name is cut, nothing is read as markup."""

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from parity.judge.left_out import LeftOut
from parity.measure.verdict import Verdict
from parity.meta_tests.report.sample import ASSIGNMENT, BUNDLE, CHECK, DEVICE, sample
from parity.report.rows import rows, worst
from parity.report.terminal import show
from reference.progress import plain_console, show_table, tell

HOSTILE = "model[b].layers[red]:smile:[/b]"
NAME = "a_variant_with_a_name_that_is_longer_than_a_narrow_terminal"


def printed(console: Console, encoding: str = "utf-8") -> str:
    assert isinstance(console.file, io.TextIOWrapper)
    console.file.flush()
    return console.file.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]


def console_of(width: int, encoding: str = "utf-8") -> Console:
    console = plain_console(width=width)
    console.file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="backslashreplace")
    return console


def numbers(checks: list[Verdict]) -> list[str]:
    """What the table prints of the checks it shows."""
    shown = [worst(group) for group in rows(checks)]
    return [text for check in shown for text in (f"{check.value:.2e}", f"{check.limit:.2e}")]


@pytest.mark.parametrize("width", [20, 40, 80, 100, 170])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
def test_no_number_and_no_name_is_cut(width: int, encoding: str) -> None:
    report = sample()
    report = replace(report, checks=[replace(check, variant=NAME) for check in report.checks])
    console = console_of(width, encoding)
    show(report, console)
    text = printed(console, encoding)
    assert NAME in text
    assert [number for number in numbers(report.checks) if number not in text] == []
    assert "…" not in text


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "NO_COLOR", "TERM"])
def test_with_colours_and_without_it_says_the_same(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    texts = []
    for value in (None, "dumb" if variable == "TERM" else "1"):
        monkeypatch.delenv(variable, raising=False)
        if value is not None:
            monkeypatch.setenv(variable, value)
        console = console_of(120)
        show(sample(), console)
        texts.append(re.sub(r"\x1b\[[\d;]*m", "", printed(console)))
    assert texts[0] == texts[1]


def test_nothing_is_read_as_markup() -> None:
    console = console_of(200)
    check = replace(sample().checks[0], variant=HOSTILE, case=HOSTILE)
    show(replace(sample(), checks=[check]), console)
    tell(console, "red", "wrong", HOSTILE)
    assert printed(console).count(HOSTILE) >= 3


# What in a name would end a line, steer a terminal or turn letters round; behind a line's end a command of a workflow.
ENDS = {
    "a line feed": "\n", "a carriage return": "\r", "both": "\r\n", "an escape": "\x1b[2J", "a separator": "\u2028",
    "turned": "\u202e",
}  # fmt: skip


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_no_name_begins_a_line_of_its_own(end: str) -> None:
    """Bundles, variants, cases, reasons: all that a report shows."""
    console, name = console_of(200), f"a{end}::error::b"
    bundle = replace(BUNDLE, path=f"out/{name}", name=name, variants=[name])
    checks = [replace(CHECK, variant=name, case=name, metric=name, why=name, value=2.0)]
    left_out = [LeftOut(variant=f"other{end}::error::", why=name)]
    assignments = [replace(ASSIGNMENT, bundle=name, file=name, name=name)]
    devices = [replace(DEVICE, name=name, told={"cpu": name}, notes=[name])]
    show(sample(bundles=[bundle], checks=checks, left_out=left_out, assignments=assignments, devices=devices), console)
    text = printed(console)
    assert "::error::b" in text
    assert [line for line in text.split("\n") if line.startswith("::") or end in line] == []


def test_a_wide_table_stays_within_a_wide_terminal() -> None:
    from rich.table import Table

    table = Table("name", "value")
    table.add_row("words that fold between words " * 5, "1.0")
    console = console_of(40)
    show_table(console, table)
    assert max(map(len, printed(console).splitlines())) <= 40
