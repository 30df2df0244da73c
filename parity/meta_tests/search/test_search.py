"""The search as it is used: on the tiny model, 60 mixes, twice with one seed."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from litert_pipeline.build.quantize import quantize
from litert_pipeline.build.recipes import quantization_recipe
from litert_pipeline.bundle import Bundle
from parity.__main__ import app
from parity.meta_tests.of_tiny import OF_TINY
from parity.search.front import dominates
from reference.spec.errors import EXIT_OK
from reference.spec.stages import DIT

BUDGET, WORKERS = 60, 2


def searched(bundle: Path, out: Path, results: Path) -> dict[str, object]:
    asked = ["--budget", BUDGET, "--workers", WORKERS]
    arguments = ["search", *OF_TINY, "--bundle", bundle, *asked, "--results", results, "--out", out]
    outcome = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert outcome.exit_code == EXIT_OK, outcome.output
    told: dict[str, object] = json.loads((out / "search.json").read_text())
    return told


@pytest.mark.search
def test_one_seed_gives_one_front_of_what_may_be_published(float_bundle: Bundle, tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="the extra 'search' is not installed")
    source = float_bundle.folder
    first, again = (searched(source, tmp_path / name, tmp_path / f"{name}-results") for name in ("first", "again"))
    assert first == again
    front, own = first["front"], first["own_recipes"]
    assert isinstance(front, list)
    assert isinstance(own, list)
    assert front
    assert {point["verdict"] for point in front} == {"publish"}
    assert len(first["measured"]) == BUDGET  # type: ignore[arg-type]
    int8 = next(point for point in own if point["name"] == "int8")
    values = [(point["distance"], point["bytes"]) for point in front]
    assert any(dominates(one, (int8["distance"], int8["bytes"])) for one in values)
    for point in front:
        recipe = tmp_path / "first" / "recipes" / f"{point['name']}.json"
        quantize(source, tmp_path / point["name"], quantization_recipe(str(recipe), DIT))
        made = json.loads((tmp_path / point["name"] / "manifest.json").read_text())["stages"][DIT]
        assert made["sha256"] == point["file_sha256"]
