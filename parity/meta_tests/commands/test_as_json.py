"""What scripts read (`--json`) holds nothing else, says what people are shown, and comes with the same exit code."""

import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from inspect import signature
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from parity.__main__ import app
from parity.bundles.app import REVISIONS
from parity.commands.app import COMMANDS
from parity.device.contract import Contract, Reached
from parity.device.verify import Answer
from parity.measure.contents import Contents
from parity.meta_tests.report.sample import CHECK, sample
from parity.report.as_json import to_json
from parity.report.report import Report
from reference.command_line import AS_JSON, command_line, print_json
from reference.spec.errors import NOBODY_READS, InputError

FAILED = replace(CHECK, value=math.nan)
REFUSED = sample(checks=[FAILED])
PLACE = REVISIONS[0].places[0]
REACHED = Reached(place=PLACE, name="args_0", holds=PLACE.tensor, shape=(1, None), dtype="int32", wrong=None)
FITS = Contract(reached={"old": [REACHED]}, general=[], notes=["an empty prompt stops it"], constants=[])
FITS_NOT = replace(FITS, reached={"old": [replace(REACHED, wrong="noise")]}, constants=["k = 2;"])
SAME = Answer(checks=[CHECK])
OTHER = Answer(checks=[FAILED], component="the sampler", sentence="it is what 'euler' makes of the request")


def judging(report: Report) -> Callable[..., Report]:
    """A gate that found this."""

    def run(options: object, store: object, say: Callable[[str], None], show: Callable[[Report], None]) -> Report:
        say("judging")
        show(report)
        return report

    return run


@dataclass(frozen=True, kw_only=True)
class Found:
    """A verb with its least arguments, what of its work is replaced by what, and what that comes to."""

    arguments: list[str]
    work: str
    by: Callable[..., Any]
    code: int
    content: dict[str, Any]


GATE = {"arguments": ["gate", "--bundle", "b"], "work": "parity.gate.run_gate"}
JUDGE = {"arguments": ["judge", "--answers", "a"], "work": "parity.judge_answers.run_judge_answers"}
CONTRACT = {"arguments": ["contract", "--bundle", "b"], "work": "parity.device.contract.contract"}
CONTENTS = {"arguments": ["contents", "b"], "work": "parity.commands.contents._read"}
READ = Contents(
    stage="s", file="f", parts=(), steps=0.0, wrong=("a\n::error::b",), missing=(), unexplained=(), numbers=0,
)  # fmt: skip
WAV = {"arguments": ["verify-wav", "w.wav", "--prompt", "p", "--seed", "0"], "work": "parity.device.verify.verify"}
FOUND = {
    "gate publishes": Found(**GATE, by=judging(sample()), code=0, content=to_json(sample())),
    "gate refuses": Found(**GATE, by=judging(REFUSED), code=1, content=to_json(REFUSED)),
    "judge publishes": Found(**JUDGE, by=judging(sample()), code=0, content=to_json(sample())),
    "judge refuses": Found(**JUDGE, by=judging(REFUSED), code=1, content=to_json(REFUSED)),
    "contract fits": Found(**CONTRACT, by=lambda *_: FITS, code=0, content=FITS.to_json()),
    "contract fits none": Found(**CONTRACT, by=lambda *_: FITS_NOT, code=1, content=FITS_NOT.to_json()),
    "contents": Found(**CONTENTS, by=lambda *_: [READ], code=0, content={"stages": [READ.to_json()]}),
    "the model's wav": Found(**WAV, by=lambda *_: SAME, code=0, content=SAME.to_json()),
    "another wav": Found(**WAV, by=lambda *_: OTHER, code=1, content=OTHER.to_json()),
}


@pytest.mark.parametrize("found", FOUND.values(), ids=FOUND)
def test_what_programs_read_holds_nothing_else(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found.work, found.by)
    result = CliRunner().invoke(app, [*found.arguments, "--json"])
    assert result.exit_code == found.code, result.output
    told = json.loads(result.stdout, parse_constant=pytest.fail)
    assert told == json.loads(json.dumps(found.content))


@pytest.mark.parametrize("found", FOUND.values(), ids=FOUND)
def test_people_are_told_with_the_same_code(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(found.work, found.by)
    result = CliRunner().invoke(app, found.arguments)
    assert result.exit_code == found.code, result.output
    assert result.stdout
    assert not result.stdout.lstrip().startswith("{")


@pytest.mark.parametrize(("answer", "same"), [(SAME, True), (OTHER, False)], ids=["the model's", "another"])
def test_whether_a_wav_is_the_model_s_is_one_field(answer: Answer, same: bool) -> None:
    told = answer.to_json()
    assert (told["is_the_models"], told["look_at"]) == (same, answer.component)


def test_a_place_of_the_app_is_told_by_name() -> None:
    (told,) = FITS.to_json()["revisions"]["old"]
    assert told["place"]["constant"] == PLACE.constant
    assert told["ok"]


UNREAD = {
    "gate": ["gate", "--bundle", "no_such_folder"],
    "judge": ["judge", "--answers", "no_such_folder"],
    "contract": ["contract", "--bundle", "no_such_folder"],
    "contents": ["contents", "no_such_folder"],
    "verify-wav": ["verify-wav", "no_such_folder", "--prompt", "p", "--seed", "0"],
}


def test_every_verb_that_has_the_option_is_in_the_table() -> None:
    assert {verb for verb, command in COMMANDS.items() if AS_JSON in signature(command).parameters} == UNREAD.keys()


@pytest.mark.parametrize("arguments", UNREAD.values(), ids=UNREAD)
def test_why_nothing_was_judged_is_told_to_programs_too(arguments: list[str]) -> None:
    result, people = (CliRunner().invoke(app, [*arguments, *more]) for more in (["--json"], []))
    told = json.loads(result.stdout)
    assert (result.exit_code, people.exit_code) == (2, 2)
    assert "{" not in people.stdout
    assert list(told) == ["error"]
    assert "no_such_folder" in told["error"]
    assert result.stderr.splitlines()[-1] == people.stderr.splitlines()[-1] == f"error: {told['error']}"


# What the parser refuses: words of what it says.
MISTYPED = {
    "a word for a number": (["gate", "--json", "--threads", "abc"], "Invalid value for '--threads'"),
    "an option that is not there": (["gate", "--nosuch", "--json"], "No such option: --nosuch"),
    "a file left out": (["contents", "--json"], "Missing argument"),
    "an option left out": (["verify-wav", "--json", "w.wav"], "Missing option '--prompt'"),
    "a folder left out": (["contract", "--json"], "Missing option '--bundle'"),
    "a value left out": (["judge", "--json", "--answers"], "Option '--answers' requires an argument"),
    "too small": (["gate", "--seed", "-1", "--json"], "Invalid value for '--seed'"),
    "no number": (["verify-wav", "w", "--prompt", "p", "--seed", "0", "--seconds", "nan", "--json"], "for '--seconds'"),
    "a value of the option itself": (["gate", "--json=yes"], "Option '--json' does not take a value"),
    "a verb that is not there": (["nosuch", "--json"], "No such command 'nosuch'"),
    "lines in what is too much": (["gate", "--json", "a\n::error::b"], "(a\\x0a::error::b)"),
    "lines in a name": (["gate", "--no\n::error::x", "--json"], "No such option: --no\\"),
}


@pytest.mark.parametrize(("arguments", "words"), MISTYPED.values(), ids=MISTYPED)
def test_a_mistyped_command_line_is_told_to_programs_too(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    told = json.loads(result.stdout)
    assert list(told) == ["error"]
    assert words in told["error"]
    assert "Error" in result.stderr


@pytest.mark.parametrize("arguments", [["gate", "--threads", "abc"], ["gate", "--threads", "abc", "--", "--json"]], ids=repr)
def test_who_does_not_ask_for_json_gets_none(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, result.stdout) == (2, "")


VERDICTS = {"gate": GATE, "judge": JUDGE}


@pytest.mark.parametrize("verb", VERDICTS.values(), ids=VERDICTS)
def test_what_goes_wrong_after_the_verdict_stands_beside_it(verb: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a disk that was full when the report was written: one document, which has both."""

    def shows_and_fails(options: object, store: object, say: object, show: Callable[[Report], None]) -> Report:
        show(sample())
        raise InputError("report: no space is left")

    monkeypatch.setattr(verb["work"], shows_and_fails)
    result = CliRunner().invoke(app, [*verb["arguments"], "--json"])
    assert result.exit_code == 2
    assert json.loads(result.stdout) == json.loads(json.dumps(to_json(sample()))) | {"error": "report: no space is left"}


@pytest.mark.parametrize("found", FOUND.values(), ids=FOUND)
def test_what_a_library_prints_is_no_part_of_it(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    def chatters(*given: object) -> object:
        print("Converting ...")
        return found.by(*given)

    monkeypatch.setattr(found.work, chatters)
    result = CliRunner().invoke(app, [*found.arguments, "--json"])
    assert (result.exit_code, json.loads(result.stdout)) == (found.code, json.loads(json.dumps(found.content)))
    assert "Converting ..." in result.stderr


def test_a_fault_nobody_foresaw_is_told_to_programs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> Report:
        raise ZeroDivisionError("of a kind")

    monkeypatch.setattr(GATE["work"], fails)
    result = CliRunner().invoke(app, [*GATE["arguments"], "--json"])
    assert result.exit_code == 2
    told = json.loads(result.stdout)["error"]
    assert "this is a fault of the gate, not of what it was given (ZeroDivisionError: of a kind)" in told


def test_where_nobody_reads_what_else_is_told_programs_are_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard error is closed; what stands in for standard output meanwhile is no file."""

    def unread(*_: object) -> Report:
        raise BrokenPipeError

    monkeypatch.setattr(GATE["work"], unread)
    result = CliRunner().invoke(app, [*GATE["arguments"], "--json"])
    assert (result.exit_code, json.loads(result.stdout)) == (2, {"error": NOBODY_READS.removeprefix("error: ")})


def test_how_the_process_was_called_is_read_for_the_option(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["parity", "gate", "--threads", "abc", "--json"])
    with pytest.raises(SystemExit) as left:
        app()
    assert left.value.code == 2
    assert list(json.loads(capsys.readouterr().out)) == ["error"]


def test_a_number_that_is_none_is_a_fault_of_ours() -> None:
    def toy(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
        print_json({"found": math.nan})

    result = CliRunner().invoke(command_line(about="A toy.", at_fault="the toy", commands={"toy": toy}), ["toy", "--json"])
    assert (result.exit_code, list(json.loads(result.stdout))) == (2, ["error"])
    assert result.stderr.startswith("error: this is a fault of the toy, not of what it was given (ValueError: Out of range float")
