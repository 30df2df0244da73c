"""Squares of errors add up, bytes do, and the greedy path is the best there is at each price of an error."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.search.additive import Additive, Alone, Option, greedy_path, hull

PLACE = ("one", "denoised_error", 0)
FLOOR = 1e-6
EXACT = 1e-9  # relative: float64 bookkeeping
COSTS = st.tuples(st.floats(1e-4, 0.5), st.integers(1, 1000))
GROUPS = st.lists(st.dictionaries(st.sampled_from(["a", "b", "c"]), COSTS, min_size=1), min_size=1, max_size=3)


def expected(groups: list[dict[str, tuple[float, int]]]) -> Additive:
    alone = {
        f"g{number}": {scheme: Alone(errors={PLACE: error}, saved=float(saved)) for scheme, (error, saved) in found.items()}
        for number, found in enumerate(groups)
    }
    return Additive(floor={PLACE: FLOOR}, alone=alone, untouched="float", cost=5000.0)


def every_mix(one: Additive) -> list[dict[str, str]]:
    choices = [["float", *found] for found in one.alone.values()]
    return [dict(zip(one.alone, chosen, strict=True)) for chosen in itertools.product(*choices)]


def test_two_groups_err_by_the_root_of_their_squares() -> None:
    one = expected([{"a": (0.03, 10)}, {"a": (0.04, 5)}])
    chosen = {"g0": "a", "g1": "a"}
    assert one.errors(chosen)[PLACE] == pytest.approx(0.05, rel=1e-6)
    assert one.costs(chosen) == 5000 - 15
    assert one.errors({"g0": "float", "g1": "float"})[PLACE] == pytest.approx(FLOOR)


def test_an_error_below_float_s_own_adds_nothing() -> None:
    assert expected([{"a": (FLOOR / 2, 1)}]).errors({"g0": "a"})[PLACE] == FLOOR


@given(GROUPS, st.floats(1e-9, 1e-2))
def test_at_any_price_of_an_error_a_mix_of_the_path_is_best(groups: list[dict[str, tuple[float, int]]], price: float) -> None:
    one = expected(groups)

    def value(chosen: dict[str, str]) -> float:
        return sum(one.adds(*pair) for pair in chosen.items()) - price * (one.cost - one.costs(chosen))

    best = min(map(value, every_mix(one)))
    found = min(map(value, greedy_path(one, list(one.alone))))
    assert math.isclose(found, best, rel_tol=EXACT, abs_tol=EXACT)


@given(GROUPS)
def test_the_path_goes_from_float_to_what_saves_most_and_never_back(groups: list[dict[str, tuple[float, int]]]) -> None:
    one = expected(groups)
    path = greedy_path(one, list(one.alone))
    costs = [one.costs(chosen) for chosen in path]
    assert set(path[0].values()) == {"float"}
    assert costs == sorted(costs, reverse=True)
    assert costs[-1] == min(map(one.costs, every_mix(one)))


def test_a_hull_leaves_out_what_is_never_best() -> None:
    options = [Option(scheme=name, adds=adds, saves=saves) for name, adds, saves in
               (("float", 0, 0), ("poor", 3, 1), ("good", 1, 2), ("small", 9, 3), ("bad", 9, 2))]  # fmt: skip
    assert [one.scheme for one in hull(options)] == ["float", "good", "small"]
