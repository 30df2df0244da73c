"""Only what the gate lets pass is on the front, and one seed proposes one way."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import pytest

from parity.measure.closeness import DISTANCES
from parity.measure.policy import Bar
from parity.measure.policy_file import chosen_policy
from parity.meta_tests.search.made import result, trial
from parity.search.distance import distance, errors, share_of_bar
from parity.search.point import GateVerdict, Point, own_recipes
from parity.search.search import Found, Wanted, judged_front
from parity.search.study import Proposer
from parity.search.trial import Number, Result
from reference.spec.errors import InputError
from reference.spec.stages import DECODER, DIT

BAR = Bar(distance=DISTANCES["dit_denoised_error"], text="0.1", why="a test")
DECIBELS = Bar(distance=DISTANCES["decoder_snr_db"], text="20", why="a test")
RULES = [{"regex": ".*"}]


def point(name: str, error: float, size_bytes: int) -> Point:
    one = trial(stage=name)
    return Point(name=name, rules=RULES, result=result(one, {0: error}, size_bytes), bar=BAR)


def wanted(most_points: int = 8) -> Wanted:
    policy = chosen_policy("publish", date.today(), made_here=False)
    return Wanted(policy=policy, objective="bytes", budget=1, seed=0, most_points=most_points)


class Gate:
    """Refuses some by name, and counts whom it was asked about."""

    def __init__(self, *refused: str) -> None:
        self.refused, self.asked = refused, list[str]()

    def __call__(self, points: Sequence[Point]) -> Mapping[str, GateVerdict]:
        self.asked += [one.name for one in points]
        words = {one.name: "refuse" if one.name in self.refused else "publish" for one in points}
        return {name: GateVerdict(word=word, publish=word == "publish", why="why", checks=1) for name, word in words.items()}


POINTS = [point("close", 0.01, 30), point("middle", 0.02, 20), point("behind", 0.03, 20), point("small", 0.05, 10)]


def test_all_of_the_front_is_judged_once_and_nothing_else() -> None:
    gate = Gate()
    best, refused = judged_front(POINTS, wanted(), gate)
    assert [one.name for one in best] == ["small", "middle", "close"]
    assert sorted(gate.asked) == ["close", "middle", "small"]
    assert refused == []
    assert all(one.verdict is not None and one.verdict.publish for one in best)


def test_the_next_best_takes_the_place_of_one_that_is_refused() -> None:
    best, refused = judged_front(POINTS, wanted(), Gate("middle"))
    assert [one.name for one in best] == ["small", "behind", "close"]
    assert [(one.name, one.verdict and one.verdict.why) for one in refused] == [("middle", "why")]


def test_what_does_not_hold_the_bar_is_not_even_asked_about() -> None:
    gate = Gate()
    best, _ = judged_front([*POINTS, point("far", 0.2, 1)], wanted(), gate)
    assert "far" not in gate.asked
    assert "far" not in [one.name for one in best]


def test_a_front_that_is_refused_whole_is_empty() -> None:
    names = [one.name for one in POINTS]
    best, refused = judged_front(POINTS, wanted(), Gate(*names))
    assert best == []
    assert sorted(one.name for one in refused) == sorted(names)


def test_a_long_front_is_thinned_to_its_ends_and_its_knee() -> None:
    many = [point(f"p{at}", 0.001 * (at + 1), 100 - at) for at in range(30)]
    best, _ = judged_front(many, wanted(4), Gate())
    assert len(best) == 4
    assert {many[0].name, many[-1].name} <= {one.name for one in best}


def test_a_recipe_of_ours_is_told_what_dominates_it() -> None:
    best, _ = judged_front(POINTS, wanted(), Gate())
    found = Found(wanted=wanted(), sensitivity=None, measured=POINTS, own=[], points=best)  # type: ignore[arg-type]
    assert "dominated by middle" in found.beside(point("int8", 0.03, 25))
    assert "is on the front: close is as close" in found.beside(POINTS[0])
    assert "200% of what the policy allows" in found.beside(point("int4", 0.2, 1))


def test_errors_are_pooled_and_the_worst_is_held_to_the_bar() -> None:
    found = errors(result(trial(), {0: 0.01, 1: 0.04}))
    assert distance(found) == pytest.approx(0.02)
    assert share_of_bar(found, BAR) == pytest.approx(0.4)
    assert share_of_bar({("one", "relative_l2", 0): 0.05}, DECIBELS) == pytest.approx(0.5)
    assert share_of_bar(found, None) == 0


def test_an_answer_that_is_no_number_is_no_distance_and_holds_no_bar() -> None:
    bad = Result(address="a", numbers=(Number(case="one", metric="nonfinite_values", value=1.0),))
    one = Point(name="bad", rules=RULES, result=bad, bar=BAR)
    assert errors(bad) == {}
    assert not one.close_enough
    assert judged_front([one], wanted(), Gate()) == ([], [])


def test_recipes_of_ours_are_known_by_stage() -> None:
    assert {"int8", "int8_weight_only", "int4_blockwise"} <= own_recipes(DIT).keys()
    assert "int4_blockwise" not in own_recipes(DECODER)
    rules = list(own_recipes(DIT).values())
    assert all(one not in rules[at + 1 :] for at, one in enumerate(rules))


OPTIONS = {"a": ["float", "int8", "int4"], "b": ["float", "int8"]}


def proposed(url: str | None, batches: int) -> list[dict[str, str]]:
    """A study that is opened anew for each batch, as if it had been stopped; what is measured follows from the mix alone."""
    found = []
    for _ in range(batches):
        proposer = Proposer.opened(url, "s", OPTIONS, seed=3)
        proposer.suggest([{"a": "int4", "b": "int8"}])
        for one in proposer.batch(4):
            far = sum(len(scheme) for scheme in one.chosen.values())
            proposer.tell(one, (float(far), 1 / far))
            found.append(dict(one.chosen))
    return found


def test_one_seed_proposes_one_way_also_after_a_stop(tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="the extra 'search' is not installed")
    first, again = (proposed(f"sqlite:///{tmp_path / name}", batches=3) for name in ("first", "again"))
    assert first == again
    assert first[0] == {"a": "int4", "b": "int8"}
    known = Proposer.opened(f"sqlite:///{tmp_path / 'first'}", "s", OPTIONS, seed=3)
    assert list(known.finished()) == first


def test_a_study_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="the extra 'search' is not installed")
    (tmp_path / "study").write_text("no database")
    with pytest.raises(InputError, match="cannot be opened as a study"):
        Proposer.opened(f"sqlite:///{tmp_path / 'study'}", "s", OPTIONS, seed=0)
