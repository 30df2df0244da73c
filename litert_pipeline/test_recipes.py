"""A recipe of one's own has a name of its own: bundles, variants and reports are called by it."""

import json
import sys
from pathlib import Path

import pytest

from litert_pipeline.build.recipes import DYNAMIC_INT8, quantization_recipe
from reference.spec.errors import InputError

PYTHONS_OWN = 1000  # values within values, or calls within calls
DOTS = ["..", ".", ".hidden", "-x"]


def written(folder: Path, name: str) -> str:
    path = folder / "recipe.json"
    path.write_text(json.dumps({"name": name, "quantize": {"dit": DYNAMIC_INT8}}))
    return str(path)


@pytest.mark.parametrize("name", ["mine", "int8_dit.v2", "größer-8"])
def test_a_name_of_its_own_is_taken(tmp_path: Path, name: str) -> None:
    assert quantization_recipe(written(tmp_path, name)).name == name


@pytest.mark.parametrize("name", ["", "fp32", "int8", "../../x", "a,b", "a@b", "a b", "<script>", "[bold]x", *DOTS])
def test_a_name_that_is_taken_or_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="give the recipe a name of its own"):
        quantization_recipe(written(tmp_path, name))


def of_rules(folder: Path, content: object, name: str = "mine.json") -> str:
    path = folder / name
    path.write_text(json.dumps(content))
    return str(path)


def test_the_official_quantizer_s_rules_alone_are_a_recipe_of_a_stage(tmp_path: Path) -> None:
    recipe = quantization_recipe(of_rules(tmp_path, DYNAMIC_INT8), "dit")
    assert (recipe.name, recipe.quantize) == ("mine", {"dit": DYNAMIC_INT8})


NO_RULES = [
    ([{"regex": "("}], r"rule 1 of 'dit' has the regex '\(', which is none \(missing \), unterminated subpattern"),
    ([*DYNAMIC_INT8, {"regex": "*"}], r"rule 2 of 'dit' has the regex '\*', which is none \(nothing to repeat"),
    ([{"regex": 5}], "rule 1 of 'dit' has the regex 5, which is none"),
    ([{"regex": "a{99999999999}"}], "rule 1 of 'dit' has the regex"),
    ([{"op_config": 8}], "rule 1 of 'dit' is {'op_config': 8}, expected an object as litert-quantizer takes it"),
]


@pytest.mark.parametrize(("content", "told"), [*NO_RULES, ([5], "rule 1 of 'dit' is 5, expected an object")])
def test_rules_of_a_whole_recipe_that_are_none_are_refused(tmp_path: Path, content: object, told: str) -> None:
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps({"name": "mine", "quantize": {"dit": content}}))
    with pytest.raises(InputError, match=f"recipe.json: {told}"):
        quantization_recipe(str(path))


@pytest.mark.parametrize(("content", "name", "stage", "told"), [
    (DYNAMIC_INT8, "mine.json", "dict", "stage 'dict' is unknown; valid stages: conditioner, dit"),
    ({"quantize": {}}, "mine.json", "dit", "the top level must be a list of objects, found dict"),
    (["int8"], "mine.json", "dit", "the top level must be a list of objects, found list"),
    (DYNAMIC_INT8, "int8.json", "dit", "give the recipe a name of its own"),
    *((content, "mine.json", "dit", f"mine.json: {told}") for content, told in NO_RULES),
])  # fmt: skip
def test_rules_that_are_none_are_refused(tmp_path: Path, content: object, name: str, stage: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        quantization_recipe(of_rules(tmp_path, content, name), stage)


def test_a_regex_that_is_too_deep_to_be_read_is_refused(tmp_path: Path) -> None:
    """How deep that is, whatever this process has imported may have changed."""
    before, deep = sys.getrecursionlimit(), 5 * PYTHONS_OWN
    sys.setrecursionlimit(PYTHONS_OWN)
    try:
        with pytest.raises(InputError, match="rule 1 of 'dit' has the regex"):
            quantization_recipe(of_rules(tmp_path, [{"regex": "(" * deep + ")" * deep}]), "dit")
    finally:
        sys.setrecursionlimit(before)


def test_a_recipe_of_ours_takes_no_stage() -> None:
    with pytest.raises(InputError, match="names its stages itself"):
        quantization_recipe("int8", "dit")
