"""A recipe of one's own has a name of its own: bundles, variants and reports are called by it."""

import json
from pathlib import Path

import pytest

from litert_pipeline.build.recipes import DYNAMIC_INT8, quantization_recipe
from reference.spec.errors import InputError


def written(folder: Path, name: str) -> str:
    path = folder / "recipe.json"
    path.write_text(json.dumps({"name": name, "quantize": {"dit": DYNAMIC_INT8}}))
    return str(path)


@pytest.mark.parametrize("name", ["mine", "int8_dit.v2", "größer-8"])
def test_a_name_of_its_own_is_taken(tmp_path: Path, name: str) -> None:
    assert quantization_recipe(written(tmp_path, name)).name == name


@pytest.mark.parametrize("name", ["", "fp32", "int8", "../../x", "a,b", "a@b", "a b", "<script>", "[bold]x"])
def test_a_name_that_is_taken_or_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="give the recipe a name of its own"):
        quantization_recipe(written(tmp_path, name))
