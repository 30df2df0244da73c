"""Which measured mixes are best, and which of them gives most for what it costs."""

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

Point = TypeVar("Point")
Values = tuple[float, ...]  # all to be small


def dominates(one: Values, other: Values) -> bool:
    """Whether it is nowhere worse and somewhere better; what is no number dominates nothing."""
    return all(a <= b for a, b in zip(one, other, strict=True)) and any(a < b for a, b in zip(one, other, strict=True))


def front(points: Sequence[Point], values: Callable[[Point], Values]) -> list[Point]:
    """Those that no other dominates, by their last value; of equal ones all. Left out is what has a value that is not finite."""
    finite = [point for point in points if all(map(math.isfinite, values(point)))]
    best = [point for point in finite if not any(dominates(values(other), values(point)) for other in finite)]
    return sorted(best, key=lambda point: values(point)[::-1])


def knee(points: Sequence[Values]) -> int:
    """Which of a front's points lies farthest below the line between its ends, of (distance, cost) with the logarithm of the
    distance, both in shares of their range; the first of equal ones. Of fewer than three points the nearest one.

    Raises ValueError for no point.
    """
    if not points:
        raise ValueError("a front without points has no knee")
    far = _shares([math.log(max(values[0], 1e-300)) for values in points])
    dear = _shares([values[-1] for values in points])
    if len(points) < 3:
        return min(range(len(points)), key=lambda at: (far[at], dear[at]))
    return min(range(len(points)), key=lambda at: (far[at] + dear[at], at))


def spread(count: int, most: int, always: Sequence[int] = ()) -> list[int]:
    """At most so many of `count` places: the ends, `always`, and others evenly between."""
    if count <= most:
        return list(range(count))
    kept = {0, count - 1, *always}
    even = [round(at * (count - 1) / (most - 1)) for at in range(most)]
    for place in even:
        if len(kept) < most:
            kept.add(place)
    return sorted(kept)


def _shares(values: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    return [(value - low) / (high - low) if high > low else 0.0 for value in values]
