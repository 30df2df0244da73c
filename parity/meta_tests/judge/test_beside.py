"""Contenders that are judged meanwhile, in a process of their own: the same checks, in their place, nothing asked twice."""

import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures import TINY_MODEL_DIR
from litert_pipeline.bundle import Bundle, read_bundle
from parity.judge.beside import Found, Line, beside, judged_beside
from parity.judge.graph import UnseenGraph
from parity.judge.judge import Judge
from parity.judge.plan import Plan
from parity.measure.cases import load_cases
from parity.measure.sweep import Sweep
from parity.truth.store import Store
from reference.spec.errors import InputError
from reference.spec.stages import ENCODER

OTHER, SLOW = "litert_fp32", "litert_int8"
TWO = 2  # cores


def quiet(_: str) -> None:
    """Nobody reads along."""


@pytest.fixture
def judge(bundles: Mapping[str, Bundle]) -> Iterator[Judge]:
    yield from judge_of(bundles["fp32"], bundles["int8"])


def judge_of(*bundles: Bundle) -> Iterator[Judge]:
    """A judge with nothing known to whom LiteRT's INT8 is a runtime of one core."""
    with Judge.of(TINY_MODEL_DIR, bundles, store=Store.of_user()) as judge:
        slow = judge.contenders[SLOW]
        one_core = replace(slow, runtime=replace(slow.runtime, one_core=True))
        yield replace(judge, contenders={**judge.contenders, SLOW: one_core})


def plan_of(judge: Judge, *variants: str) -> Plan:
    return Plan.of(judge, list(variants), load_cases(judge.model.tokenizer, judge.model.spec, ["drums"]), Sweep(draws=0))


def test_the_same_checks_in_the_same_order_and_nothing_is_asked_again(judge: Judge) -> None:
    plan = plan_of(judge, SLOW, OTHER)
    said: list[str] = []
    found = list(plan.checks(said.append, TWO))
    assert any("meanwhile" in line for line in said)
    opened = set(judge.open_stages._stages)
    judge.answers(ENCODER, SLOW, plan.cases[0])
    judge.generated(SLOW, plan.cases[0])
    assert set(judge.open_stages._stages) == opened, "what the other process was told is known here"
    assert found == list(plan_of(replace(judge, _answers=None, _generated={}), SLOW, OTHER).checks(quiet))


@pytest.mark.parametrize(
    ("variants", "cores", "expected"),
    [
        ((SLOW, OTHER), TWO, [SLOW]),
        ((SLOW, OTHER), 1, []),
        ((SLOW,), TWO, []),
        ((OTHER,), TWO, []),
    ],
    ids=["beside another", "no core to spare", "nobody else", "runs on many cores"],
)
def test_who_is_judged_meanwhile(judge: Judge, variants: tuple[str, ...], cores: int, expected: list[str]) -> None:
    assert judged_beside(plan_of(judge, *variants), cores) == expected


def test_answers_from_elsewhere_are_nobody_else_s_to_ask(judge: Judge) -> None:
    assert judged_beside(plan_of(judge.instead(SLOW, judge.source(SLOW)), SLOW, OTHER), TWO) == []


class Elsewhere(Executor):
    """A pool that goes on working, or is done at once with what it is given, or fails."""

    def __init__(self, found: Found | None = None, error: Exception | None = None) -> None:
        self.found, self.error = found, error

    def submit(self, *_: object) -> Future[Any]:  # type: ignore[override]
        given: Future[Any] = Future()
        if self.error is not None:
            given.set_exception(self.error)
        elif self.found is not None:
            given.set_result(self.found)
        return given


def test_graphs_that_could_not_be_compared_there_are_told_here(judge: Judge) -> None:
    plan, unseen = plan_of(judge, SLOW, OTHER), UnseenGraph(variant=SLOW, stage=ENCODER, why="of a reason")
    found = Found(checks=[], unseen=[unseen], learned=judge.learned)
    assert Line(Elsewhere(found), b"", [SLOW]).told(plan, quiet) == {SLOW: []}
    assert plan.unseen == [unseen]


def test_one_is_handed_over_at_a_time_and_the_rest_is_judged_here(judge: Judge) -> None:
    line, plan = Line(Elsewhere(), b"", [OTHER, SLOW]), plan_of(judge, SLOW, OTHER)
    assert list(line.begun) == [OTHER]
    line.begun[OTHER] = Elsewhere(Found(checks=[], unseen=[], learned=judge.learned)).submit()
    found = line.told(plan, quiet)
    assert found == {SLOW: list(plan_of(judge, SLOW).of_one(SLOW, quiet)), OTHER: []}
    assert found[SLOW]


def test_a_process_that_failed_is_handed_nothing_more(judge: Judge) -> None:
    line = Line(Elsewhere(error=BrokenProcessPool("killed")), b"", [SLOW, OTHER])
    assert (list(line.begun), line.waiting) == ([SLOW], [OTHER])
    with pytest.raises(BrokenProcessPool):
        line.told(plan_of(judge, SLOW, OTHER), quiet)


def test_bad_input_is_told_by_its_own_sentence(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    mine = read_bundle(Path(shutil.copytree(bundles["int8"].folder, tmp_path / "mine")))
    for judge in judge_of(bundles["fp32"], mine):
        plan = plan_of(judge, SLOW, OTHER)
        mine.path(ENCODER).unlink()
        with pytest.raises(InputError, match=str(mine.path(ENCODER))), beside(plan, [SLOW], quiet) as told:
            told()
