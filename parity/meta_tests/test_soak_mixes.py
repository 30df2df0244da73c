"""The soak over mixes: a run follows from its number, they are drawn wide enough, and what is spoiled has to be refused."""

import json
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path

import pytest

from parity.measure.policy import Closeness
from parity.measure.policy_file import chosen_policy
from parity.meta_tests.report.sample import CHECK
from parity.mixes.judged import JudgedMix
from parity.mixes.table import MIXES
from parity.report.bundle_verdict import BundleVerdict, JudgedBundle
from parity.soak_mixes import (
    MODELS,
    MixSoakOptions,
    Ran,
    by_arithmetic,
    draw,
    ends_right,
    judged_by,
    read_log,
    soak_mixes,
)
from parity.truth.store import Store
from reference.spec.errors import InputError

RUNS = 100
LEAST_ARITHMETICS = 20  # that a soak of `RUNS` is asked for
BY = "this code"
SPOILED = 3  # one run in so many


def ran(number: int, *, right: bool = True) -> Ran:
    return Ran(drawn=draw(number, 0), by=BY, arithmetic="dit: int8", right=right, answers="faithful", why="", seconds=1.0)


def test_a_run_follows_from_its_number() -> None:
    first, again = ([draw(number, SPOILED) for number in range(RUNS)] for _ in range(2))
    assert first == again
    assert {run.mix for run in first} == set(MIXES)
    assert {run.model for run in first} == set(MODELS)
    spoiled = [run for run in first if run.spoiled]
    assert len(spoiled) == RUNS // SPOILED
    assert all(run.spoiled in (*MIXES[run.mix].parts, *MIXES[run.mix].compute) for run in spoiled)
    assert not any(draw(number, 0).spoiled for number in range(RUNS))


def test_mixes_are_dealt_like_cards() -> None:
    deck = len(MIXES)
    hands = [[draw(number, 0).mix for number in range(start, start + deck)] for start in (0, deck)]
    assert all(sorted(hand) == sorted(MIXES) for hand in hands)
    assert hands[0] != hands[1]
    assert deck > LEAST_ARITHMETICS


def test_what_is_done_is_counted_by_mix() -> None:
    runs = [ran(0), replace(ran(0), right=False), ran(1)]
    counted = {mix: (count, right) for mix, _, count, right in by_arithmetic(runs)}
    assert counted == {draw(0, 0).mix: (2, 1), draw(1, 0).mix: (1, 1)}


def test_a_log_is_taken_up_where_the_same_would_be_drawn(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert read_log(log, 0, BY) == {}
    other, older = replace(ran(8), drawn=replace(draw(8, 0), threads=7)), replace(ran(9), by="older code")
    log.write_text("".join(json.dumps(asdict(run)) + "\n" for run in (ran(7), other, older)))
    assert read_log(log, 0, BY) == {7: ran(7)}
    log.write_text("no log\n")
    with pytest.raises(InputError, match="is no log of a soak"):
        read_log(log, 0, BY)


def found_with(*failing: str) -> JudgedMix:
    """A mix some stages of which fail a check."""
    bar = chosen_policy("publish", date.today(), made_here=False).bars[0]
    checks = [replace(CHECK, stage=stage, value=2 * CHECK.limit, variant=stage) for stage in failing]
    verdict = BundleVerdict(
        bundle=JudgedBundle(path="mix", name="mix", variants=["mix"]), verdict="publish", checks=1, failed=len(failing), why="",
        close=(Closeness(bar=bar, told=0.0, check=CHECK),),
    )  # fmt: skip
    return JudgedMix(verdict=verdict, checks=[CHECK, *checks], arithmetic={}, unseen={})


@pytest.mark.parametrize(("spoiled", "failing", "right"), [
    ("", (), True), ("", ("dit",), False), ("dit", ("dit",), True), ("dit", (), False), ("dit", ("decoder",), False),
    ("dit", ("dit", "decoder"), False),
])  # fmt: skip
def test_the_stage_that_was_made_wrong_has_to_be_at_fault_and_no_other(
    spoiled: str, failing: tuple[str, ...], right: bool
) -> None:
    drawn = replace(draw(0, 0), spoiled=spoiled)
    assert ends_right(drawn, found_with(*failing)) == right
    nothing_measured = found_with(*failing)
    assert not ends_right(drawn, replace(nothing_measured, verdict=replace(nothing_measured.verdict, close=())))


def test_another_policy_judges_otherwise() -> None:
    publish, preview = (chosen_policy(name, date.today(), made_here=False) for name in ("publish", "preview"))
    assert judged_by(publish) == judged_by(publish) != judged_by(preview)


@pytest.mark.mixes
@pytest.mark.parametrize("spoiled", [0, 1])
def test_a_run_ends_right_where_the_sound_is_faithful_and_the_spoiled_is_not(tmp_path: Path, spoiled: int) -> None:
    policy = chosen_policy(None, date.today(), made_here=False)
    options = MixSoakOptions(runs=2, seed=0, spoiled=spoiled, log=tmp_path / "log")
    done = soak_mixes(options, policy, Store.of_user(), tmp_path / "work", lambda _: None)
    assert [run.right for run in done] == [True, True], done
    assert all(run.answers.startswith("not faithful" if spoiled else "faithful") for run in done)
    assert list(read_log(options.log, spoiled, judged_by(policy)).values()) == done
