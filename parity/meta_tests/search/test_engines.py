"""A worker that dies costs nobody else's trial, and no trial is counted twice or forgotten."""

from pathlib import Path

import pytest

from parity.meta_tests.search.dying import ALWAYS, ONCE, measured_or_killed
from parity.meta_tests.search.made import result, trial
from parity.search.asking import Asker
from parity.search.engines import ATTEMPTS, Done, LocalEngine
from parity.search.places import Places
from parity.search.store import Results
from parity.search.trial import Race, Trial


def test_trials_of_a_worker_that_dies_run_again_and_one_that_always_kills_is_named(tmp_path: Path) -> None:
    asked = [trial(stage=stage) for stage in ("first", ONCE, "second", ALWAYS, "last")]
    asked.append(trial(stage="race", race=Race(machine="m", threads=1, rounds=1)))
    with LocalEngine(places=Places(model=tmp_path, bundle=tmp_path), workers=2, job=measured_or_killed) as engine:
        done = list(engine.map(asked))
    assert sorted(one.trial.address for one in done) == sorted(one.address for one in asked)
    lost = [one for one in done if one.result is None]
    assert [(one.trial.stage, one.attempts) for one in lost] == [(ALWAYS, ATTEMPTS)]
    assert f"died {ATTEMPTS} times" in lost[0].why


class Known:
    """An engine that counts what it is asked."""

    def __init__(self, lost: str = "") -> None:
        self.asked: list[Trial] = []
        self.lost = lost

    def __enter__(self) -> "Known":
        return self

    def __exit__(self, *_: object) -> None: ...

    def map(self, trials: list[Trial]) -> list[Done]:
        self.asked += trials
        return [Done(trial=one, result=None if one.stage == self.lost else result(one, {0: 0.1}), why="gone") for one in trials]


@pytest.fixture
def said() -> list[str]:
    return []


def test_what_is_known_is_not_asked_again(tmp_path: Path, said: list[str]) -> None:
    engine = Known()
    asker = Asker(engine=engine, results=Results(folder=tmp_path), say=said.append)  # type: ignore[arg-type]
    one, two = trial(stage="one"), trial(stage="two")
    assert set(asker.ask([one, one], "x")) == {one.address}
    assert set(asker.ask([two, one], "x")) == {one.address, two.address}
    assert engine.asked == [one, two]
    assert "x: 1 of 2 are known from before" in said


def test_what_is_lost_is_named_and_asked_again_the_next_time(tmp_path: Path, said: list[str]) -> None:
    asker = Asker(engine=Known(lost="gone"), results=Results(folder=tmp_path), say=said.append)  # type: ignore[arg-type]
    one = trial(stage="gone")
    assert asker.ask([one], "x") == {}
    assert asker.lost == [f"{one.address[:12]}: gone"]
    assert list(Results(folder=tmp_path).all()) == []
