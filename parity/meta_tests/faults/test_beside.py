"""What a page of faults tells of a second model."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from parity.__main__ import app
from parity.faults.arithmetics import STRICT
from parity.faults.beside import OnModel
from parity.faults.checks import Finding
from parity.faults.fault import Fault
from parity.faults.mutation import Row
from parity.faults.outcome import Outcome
from parity.faults.table import page
from parity.meta_tests.faults.test_faults import harmless
from parity.meta_tests.of_tiny import OF_TINY

MISSED, CAUGHT = Finding(failed=[], nearest=0.72), Finding(failed=[], error="bundle/dit.tflite: cannot be read")
NONE_ALONE = "No fault is caught on one of the two alone."


def row(share: float | None, finding: Finding = CAUGHT) -> Row:
    fault = Fault(**vars(harmless("dit")) | {"name": "one"})
    return Row(fault=fault.told, variant=STRICT.variant, finding=finding, threshold=share)


def told(here: Row, there: Row) -> str:
    """The section of a second model, where one fault was injected into both."""
    text = page(OnModel(model="first", outcome=Outcome(rows=[here])), OnModel(model="second", outcome=Outcome(rows=[there])))
    return text.partition("## On another model")[2].partition("## Which check is blamed")[0]


@pytest.mark.parametrize(("here", "there", "counts"), [
    (0.1, 0.1, "1 | 1 | 0 | 0"), (0.05, 0.1, "1 | 0 | 1 | 0"), (0.1, 0.05, "1 | 0 | 0 | 1"),
], ids=["the same", "smaller", "larger"])  # fmt: skip
def test_shares_are_counted(here: float, there: float, counts: str) -> None:
    text = told(row(here), row(there))
    assert f"| {STRICT.title} | {counts} |" in text
    assert "times apart" not in text
    assert NONE_ALONE in text


def test_a_fault_without_shares_is_not_counted() -> None:
    assert f"| {STRICT.title} | 1 |" not in told(row(None), row(None))


@pytest.mark.parametrize(("here", "there"), [(1.0, 0.1), (0.001, 0.02)], ids=["larger", "smaller"])
def test_shares_far_apart_are_named(here: float, there: float) -> None:
    said = f"| `one` | {STRICT.title} | cannot be judged, from {here:g} | cannot be judged, from {there:g} |"
    assert said in told(row(here), row(there))


@pytest.mark.parametrize(("here", "there", "where"), [
    (CAUGHT, MISSED, "is caught here and missed in files of second"),
    (MISSED, CAUGHT, "is caught in files of second and missed here"),
], ids=["here", "there"])  # fmt: skip
def test_what_one_of_the_two_misses_is_named(here: Finding, there: Finding, where: str) -> None:
    text = told(row(None, here), row(None, there))
    assert f"- `one` at {STRICT.title} {where}" in text
    assert "the worst check uses 72 % of its limit" in text
    assert NONE_ALONE not in text


def test_what_was_injected_into_one_of_the_two_is_no_difference() -> None:
    only = page(OnModel(model="first", outcome=Outcome(rows=[row(0.1)])), OnModel(model="second", outcome=Outcome(rows=[])))
    assert NONE_ALONE in only


def test_without_a_second_model_nothing_is_told_of_one() -> None:
    assert "## On another model" not in page(OnModel(model="first", outcome=Outcome(rows=[row(0.1)])))


def test_a_second_model_that_is_none_is_told_before_any_work(tmp_path: Path) -> None:
    asked = ("faults", *OF_TINY, "--beside", str(tmp_path / "none"), "--only", "polarity", "--arithmetics", "fp32", "--no-files")
    found = CliRunner().invoke(app, asked)
    assert (found.exit_code, "none" in found.output, "jobs" in found.output) == (2, True, False), found.output
