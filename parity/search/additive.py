"""What a mix of schemes is expected to cost: errors of independent roundings add up as squares, bytes as they are."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from parity.search.distance import Place

Errors = Mapping[Place, float]
Chosen = Mapping[str, str]  # by group, the scheme


@dataclass(frozen=True, kw_only=True)
class Alone:
    """What one group costs by itself in one scheme, all else in float: errors of the whole stage, and what is saved: bytes, or
    seconds of a call."""

    errors: Errors
    saved: float


@dataclass(frozen=True, kw_only=True)
class Additive:
    """The expected errors of all mixes. `floor` are those of the float file itself, `alone` each group's by scheme, those left
    out that nothing was measured of; `cost` what the float file costs."""

    floor: Errors
    alone: Mapping[str, Mapping[str, Alone]]
    untouched: str
    cost: float

    def errors(self, chosen: Chosen) -> dict[Place, float]:
        """Place by place."""
        return {place: math.sqrt(floor**2 + sum(self._adds(one, place) for one in self._changed(chosen)))
                for place, floor in self.floor.items()}  # fmt: skip

    def costs(self, chosen: Chosen) -> float:
        """What the file is expected to cost."""
        return self.cost - sum(one.saved for one in self._changed(chosen))

    def adds(self, group: str, scheme: str) -> float:
        """The mean square that a group's scheme adds to all places."""
        if scheme == self.untouched:
            return 0.0
        one = self.alone[group][scheme]
        return sum(self._adds(one, place) for place in self.floor) / len(self.floor)

    def saves(self, group: str, scheme: str) -> float:
        """What it saves."""
        return 0.0 if scheme == self.untouched else self.alone[group][scheme].saved

    def _adds(self, one: Alone, place: Place) -> float:
        """Never less than nothing: beside float's own rounding a small error may even lower the sum."""
        return max(one.errors[place] ** 2 - self.floor[place] ** 2, 0.0)

    def _changed(self, chosen: Chosen) -> list[Alone]:
        return [self.alone[group][scheme] for group, scheme in chosen.items() if scheme != self.untouched]


@dataclass(frozen=True, kw_only=True)
class Option:
    """A scheme of a group: what it adds, and what it saves."""

    scheme: str
    adds: float
    saves: float


def hull(options: Sequence[Option]) -> list[Option]:
    """Those that are best at some price of an error, from the one that saves least: each next one saves more, and more dearly."""
    found: list[Option] = []
    for one in sorted(options, key=lambda option: (option.saves, option.adds)):
        if found and one.adds <= found[-1].adds:
            while found and one.adds <= found[-1].adds:
                found.pop()
        while len(found) > 1 and _slope(found[-2], one) <= _slope(found[-2], found[-1]):
            found.pop()
        if not found or one.saves > found[-1].saves:
            found.append(one)
    return found


def greedy_path(expected: Additive, groups: Sequence[str]) -> list[dict[str, str]]:
    """Mixes that are expected to be best at some price of an error, from all float to what saves most: the next step is always
    the one that saves most for what it adds. Ties go to the earlier group, so that equal measurements have one path."""
    steps: list[tuple[float, int, int, str]] = []
    start: dict[str, str] = {}
    for place, group in enumerate(groups):
        schemes = [expected.untouched, *expected.alone.get(group, {})]
        options = hull([Option(scheme=one, adds=expected.adds(group, one), saves=expected.saves(group, one)) for one in schemes])
        start[group] = options[0].scheme
        for number, (before, after) in enumerate(pairwise(options)):
            steps.append((_slope(before, after), place, number, after.scheme))
    path, chosen = [dict(start)], dict(start)
    for _, place, _, scheme in sorted(steps):
        chosen[groups[place]] = scheme
        path.append(dict(chosen))
    return path


def _slope(one: Option, other: Option) -> float:
    """What an error is added for each unit that is saved."""
    return (other.adds - one.adds) / (other.saves - one.saves) if other.saves != one.saves else math.inf
