"""Results are whole or not there, merge in any order, and never change."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.meta_tests.search.made import result, trial
from parity.search.store import SUFFIX, Results
from parity.search.trial import Race
from reference.spec.errors import InputError

TRIALS = [trial(stage=f"s{number}") for number in range(4)]


def only_file(store: Results) -> Path:
    (path,) = store.folder.rglob(f"*{SUFFIX}")
    return path


def altered(text: str) -> str:
    told = json.loads(text)
    told["result"]["size_bytes"] += 1
    return json.dumps(told)


DAMAGES: dict[str, Callable[[str], str]] = {
    "altered": altered,
    "another trial's": lambda text: text.replace('"stage": "s0"', '"stage": "s1"'),
    "cut off": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "no object": lambda text: "[]",
    "of other code": lambda text: text.replace('"fault"', '"failure"'),
}


def test_what_is_kept_is_found(tmp_path: Path) -> None:
    store, one = Results(folder=tmp_path), TRIALS[0]
    assert store.get(one) is None
    store.put(one, result(one, {0: 0.1}))
    assert store.get(one) == result(one, {0: 0.1})
    assert store.get(TRIALS[1]) is None


@pytest.mark.parametrize("damage", sorted(DAMAGES))
def test_what_is_damaged_counts_as_not_there_and_is_replaced(tmp_path: Path, damage: str) -> None:
    store, one = Results(folder=tmp_path), TRIALS[0]
    store.put(one, result(one, {0: 0.1}))
    path = only_file(store)
    path.write_text(DAMAGES[damage](path.read_text()))
    assert store.get(one) is None
    assert list(store.all()) == []
    store.put(one, result(one, {0: 0.1}))
    assert store.get(one) == result(one, {0: 0.1})


def test_a_crash_leaves_nothing_that_is_taken_for_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, one = Results(folder=tmp_path), TRIALS[0]

    def crash(*_: object) -> None:
        raise RuntimeError("in the middle")

    monkeypatch.setattr("os.replace", crash)
    with pytest.raises(RuntimeError):
        store.put(one, result(one, {0: 0.1}))
    assert list(store.all()) == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_answer_that_differs_is_a_finding(tmp_path: Path) -> None:
    store, one = Results(folder=tmp_path), TRIALS[0]
    store.put(one, result(one, {0: 0.1}))
    store.put(one, result(one, {0: 0.1}))
    with pytest.raises(InputError, match="measured twice and answered differently \\(in 'numbers'\\)"):
        store.put(one, result(one, {0: 0.2}))


def test_of_two_races_the_first_one_counts(tmp_path: Path) -> None:
    store, one = Results(folder=tmp_path), trial(race=Race(machine="a", threads=1, rounds=1))
    store.put(one, replace(result(one, {}), seconds={"float": (1.0,)}))
    store.put(one, replace(result(one, {}), seconds={"float": (2.0,)}))
    found = store.get(one)
    assert found is not None
    assert found.seconds == {"float": (1.0,)}


def test_a_result_is_not_kept_as_another_trial_s(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="handed in as that of"):
        Results(folder=tmp_path).put(TRIALS[0], result(TRIALS[1], {}))


@settings(deadline=None, max_examples=20)  # it writes files
@given(st.lists(st.lists(st.sampled_from(range(len(TRIALS))), unique=True), min_size=1, max_size=3))
def test_folders_merge_in_any_order(folders: list[list[int]]) -> None:
    with TemporaryDirectory() as name:
        stores = [Results(folder=Path(name) / str(number)) for number in range(len(folders))]
        for store, places in zip(stores, folders, strict=True):
            for place in places:
                store.put(TRIALS[place], result(TRIALS[place], {0: 0.1 * place}))
        both = [Results(folder=Path(name) / "ab"), Results(folder=Path(name) / "ba")]
        new = [[one.merge(other) for other in order] for one, order in zip(both, (stores, stores[::-1]), strict=True)]
        assert dict(both[0].all()) == dict(both[1].all())
        assert sum(new[0]) == sum(new[1]) == len({place for places in folders for place in places})
