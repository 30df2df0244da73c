"""A trial is its description: equal ones have one address, any difference another, and what is sent arrives."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from litert_pipeline.build.recipes import DYNAMIC_INT8
from parity.meta_tests.search.made import trial
from parity.search.trial import Number, Race, Result, Trial, recipe_text

RACE = Race(machine="a CPU", threads=1, rounds=3)
OTHER = {
    "model": "x", "file": "x", "code": "x", "stage": "x", "recipe": "[1]", "compute": "fp16", "cases": ("two",), "steps": (1,),
    "draws": 1, "seed": 1, "race": RACE,
}  # fmt: skip


def sent(told: object) -> dict[str, object]:
    arrived: dict[str, object] = json.loads(json.dumps(told, allow_nan=False))
    return arrived


@pytest.mark.parametrize("name", sorted(OTHER))
def test_whatever_is_different_is_another_trial(name: str) -> None:
    assert replace(trial(), **{name: OTHER[name]}).address != trial().address  # type: ignore[arg-type]


def test_every_field_is_part_of_the_address() -> None:
    assert set(OTHER) == set(trial().to_json())


@pytest.mark.parametrize("race", [None, RACE])
def test_a_trial_arrives_as_it_was_sent(race: Race | None) -> None:
    one = trial(recipe=recipe_text(DYNAMIC_INT8), steps=(0, 3), race=race)
    assert Trial.from_json(sent(one.to_json())) == one
    assert one.rules == DYNAMIC_INT8


def test_rules_in_another_order_of_keys_are_the_same_recipe() -> None:
    turned = [dict(reversed(list(rule.items()))) for rule in DYNAMIC_INT8]
    assert recipe_text(turned) == recipe_text(DYNAMIC_INT8)


@given(st.lists(st.floats()), st.lists(st.floats(min_value=0, allow_infinity=False)))
def test_a_result_arrives_number_by_number(values: list[float], seconds: list[float]) -> None:
    numbers = tuple(Number(case="c", metric="m", value=value, step=at) for at, value in enumerate(values))
    one = Result(address="a", numbers=numbers, seconds={"float": tuple(seconds)}, sha256="s", size_bytes=3)
    again = Result.from_json(sent(one.to_json()))
    pairs = zip(numbers, again.numbers, strict=True)
    assert all(a.value == b.value or (math.isnan(a.value) and math.isnan(b.value)) for a, b in pairs)
    assert replace(again, numbers=()) == replace(one, numbers=())


def test_what_nobody_knows_is_refused() -> None:
    with pytest.raises(TypeError):
        Trial.from_json({**trial().to_json(), "speed": 1})
