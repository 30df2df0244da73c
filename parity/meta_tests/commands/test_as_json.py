"""What scripts read (`--json`) holds nothing else, says what people are shown, and comes with the same exit code."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from typer.testing import CliRunner

from parity.__main__ import app
from parity.bundles.app import REVISIONS
from parity.device.contract import Contract, Reached
from parity.device.verify import Answer
from parity.meta_tests.report.sample import CHECK, sample
from parity.report.as_json import to_json
from parity.report.report import Report

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
WAV = {"arguments": ["verify-wav", "w.wav", "--prompt", "p", "--seed", "0"], "work": "parity.device.verify.verify"}
FOUND = {
    "gate publishes": Found(**GATE, by=judging(sample()), code=0, content=to_json(sample())),
    "gate refuses": Found(**GATE, by=judging(REFUSED), code=1, content=to_json(REFUSED)),
    "judge publishes": Found(**JUDGE, by=judging(sample()), code=0, content=to_json(sample())),
    "judge refuses": Found(**JUDGE, by=judging(REFUSED), code=1, content=to_json(REFUSED)),
    "contract fits": Found(**CONTRACT, by=lambda *_: FITS, code=0, content=FITS.to_json()),
    "contract fits none": Found(**CONTRACT, by=lambda *_: FITS_NOT, code=1, content=FITS_NOT.to_json()),
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


@pytest.mark.parametrize("arguments", UNREAD.values(), ids=UNREAD)
def test_why_nothing_was_judged_is_told_to_programs_too(arguments: list[str]) -> None:
    result, people = (CliRunner().invoke(app, [*arguments, *more]) for more in (["--json"], []))
    told = json.loads(result.stdout)
    assert (result.exit_code, people.exit_code) == (2, 2)
    assert "{" not in people.stdout
    assert list(told) == ["error"]
    assert "no_such_folder" in told["error"]
    assert result.stderr.splitlines()[-1] == people.stderr.splitlines()[-1] == f"error: {told['error']}"


def test_a_fault_nobody_foresaw_is_told_to_programs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> Report:
        raise ZeroDivisionError("of a kind")

    monkeypatch.setattr(GATE["work"], fails)
    result = CliRunner().invoke(app, [*GATE["arguments"], "--json"])
    assert result.exit_code == 2
    told = json.loads(result.stdout)["error"]
    assert "this is a fault of the gate, not of what it was given (ZeroDivisionError: of a kind)" in told
