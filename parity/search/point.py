"""A measured mix of schemes: what it costs and is worth, and the recipe that makes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from litert_pipeline.build.recipes import RECIPES, QuantizerRecipe
from parity.measure.policy import Bar
from parity.search.additive import Additive
from parity.search.asking import Question
from parity.search.distance import distance, errors, share_of_bar
from parity.search.front import Values
from parity.search.schemes import SCHEMES
from parity.search.sensitivity import BYTES
from parity.search.space import Group, rules_of
from parity.search.trial import Result

Chosen = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class GateVerdict:
    """What the whole gate says of a bundle with this file; `why` of a refusal."""

    word: str
    publish: bool
    why: str
    checks: int


@dataclass(frozen=True, kw_only=True)
class Point:
    """One recipe, measured whole.

    `chosen` is the scheme of each group; nothing of a recipe that was given by name. `expected` is the distance that the additive
    model tells, NaN of such a one. `seconds` is the time of a call in shares of the float file's, None where it was not raced.
    """

    name: str
    rules: QuantizerRecipe
    result: Result
    bar: Bar | None
    chosen: Chosen = field(default_factory=dict)
    expected: float = float("nan")
    seconds: float | None = None
    verdict: GateVerdict | None = None

    @cached_property
    def distance(self) -> float:
        """All errors pooled; NaN where there is none."""
        return distance(errors(self.result))

    @cached_property
    def share(self) -> float:
        """How much of the policy's bar its worst error is."""
        return share_of_bar(errors(self.result), self.bar)

    @property
    def close_enough(self) -> bool:
        """Whether the teacher-forced errors alone hold the bar; the gate has more to ask."""
        return self.share <= 1

    def values(self, objective: str) -> Values:
        """What is to be small: the distance, and bytes or time. NaN where the file was not raced."""
        second = self.result.size_bytes if objective == BYTES else float("nan") if self.seconds is None else self.seconds
        return self.distance, float(second)

    def judged(self, verdict: GateVerdict) -> "Point":
        """With what the gate says."""
        return replace(self, verdict=verdict)

    def to_json(self) -> dict[str, Any]:
        """For programs; JSON has no NaN, so what is none is null."""
        return {
            "name": self.name, "distance": _number(self.distance), "share_of_bar": _number(self.share),
            "bytes": self.result.size_bytes, "seconds_of_float": self.seconds, "expected_distance": _number(self.expected),
            "file_sha256": self.result.sha256, "trial": self.result.address, "chosen": dict(self.chosen),
            "verdict": None if self.verdict is None else self.verdict.word,
            "why": "" if self.verdict is None else self.verdict.why, "rules": self.rules,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Mixes:
    """How mixes of a stage become recipes and points."""

    question: Question
    groups: Sequence[Group]
    expected: Additive
    bar: Bar | None

    def rules(self, chosen: Chosen) -> QuantizerRecipe:
        """The recipe of a mix."""
        return rules_of(self.groups, {group: SCHEMES[scheme] for group, scheme in chosen.items()})

    def point(self, chosen: Chosen, result: Result, seconds: float | None) -> Point:
        """A mix that was measured."""
        return Point(
            name=f"{self.question.about.stage}_{result.address[:8]}", rules=self.rules(chosen), result=result, bar=self.bar,
            chosen=dict(chosen), expected=distance(self.expected.errors(chosen)), seconds=seconds,
        )  # fmt: skip

    def named(self, name: str, rules: QuantizerRecipe, result: Result, seconds: float | None) -> Point:
        """A recipe of this project that was measured."""
        return Point(name=name, rules=rules, result=result, bar=self.bar, seconds=seconds)


def own_recipes(stage: str) -> dict[str, QuantizerRecipe]:
    """What recipes of this project do to a stage of a LiteRT bundle, equal ones once, under the first name."""
    found: dict[str, QuantizerRecipe] = {}
    for recipe in RECIPES.values():
        rules = recipe.quantize.get(stage)
        if recipe.format == "litert" and rules is not None and rules not in found.values():
            found[recipe.name] = rules
    return found


def _number(value: float) -> float | None:
    return value if abs(value) < float("inf") else None
