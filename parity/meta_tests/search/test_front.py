"""A front is what nothing dominates; its knee and its thinned points are on it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.search.front import dominates, front, knee, spread

VALUES = st.floats(min_value=1e-6, max_value=1e6, allow_nan=False)
POINTS = st.lists(st.tuples(VALUES, VALUES), max_size=12)


def same(point: tuple[float, ...]) -> tuple[float, ...]:
    return point


@given(POINTS)
def test_nothing_dominates_the_front_and_the_front_dominates_the_rest(points: list[tuple[float, float]]) -> None:
    best = front(points, same)
    assert not any(dominates(other, one) for one in best for other in points)
    assert all(one in best or any(dominates(other, one) for other in best) for one in points)
    assert bool(best) == bool(points)


@given(POINTS, st.randoms())
def test_a_front_does_not_follow_the_order(points: list[tuple[float, float]], random: object) -> None:
    turned = list(points)
    random.shuffle(turned)  # type: ignore[attr-defined]
    assert front(points, same) == front(turned, same)


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_what_is_no_number_is_on_no_front(bad: float) -> None:
    assert front([(bad, 0.0), (1.0, 1.0)], same) == [(1.0, 1.0)]
    assert front([(bad, 0.0)], same) == []


def test_equal_points_are_all_kept() -> None:
    assert front([(1.0, 2.0), (1.0, 2.0)], same) == [(1.0, 2.0)] * 2


@given(POINTS.filter(bool))
def test_the_knee_is_a_point(points: list[tuple[float, float]]) -> None:
    assert 0 <= knee(front(points, same)) < len(points)


def test_the_knee_is_where_the_front_bends() -> None:
    assert knee([(1e-1, 1.0), (1e-2, 1.2), (9e-3, 9.0)]) == 1


def test_a_front_without_points_has_no_knee() -> None:
    with pytest.raises(ValueError, match="no knee"):
        knee([])


@given(st.integers(0, 40), st.integers(3, 12), st.integers(0, 39))
def test_thinned_places_keep_the_ends_and_what_must_stay(count: int, most: int, always: int) -> None:
    kept = spread(count, most, [always] if always < count else [])
    assert kept == sorted(set(kept))
    assert len(kept) == min(count, most)
    assert {0, count - 1, *([always] if always < count else [])} <= set(kept) if count else kept == []
