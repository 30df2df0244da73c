"""Overlays load in Model Explorer: fed through its own node-data API and matched with the graph it reads from the file."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ai_edge_model_explorer_adapter as adapter
import pytest
from model_explorer.config import ModelExplorerConfig
from model_explorer.node_data_builder import GradientItem, GraphNodeData, NodeDataResult

from litert_pipeline.bundle import Bundle
from parity.explain.blame import module_errors
from parity.explain.inside import search
from parity.explain.inside.overlays import BROKEN, OVERLAYS, overlay, write_overlays
from parity.explain.inside.search import InsideOptions, look_inside
from parity.judge.judge import Judge
from parity.meta_tests.report.sample import ERROR
from parity.test_parity import case_called
from parity.truth.store import Store
from reference.spec.errors import InputError


def node_data(text: str) -> GraphNodeData:
    """JSON as Model Explorer's own classes; an unknown field is an error."""
    content = json.loads(text)
    assert content.keys() <= {field.name for field in fields(GraphNodeData)}
    results = {key: NodeDataResult(**result) for key, result in content["results"].items()}
    gradient = [GradientItem(**item) for item in content["gradient"]]
    return GraphNodeData(results=results, gradient=gradient, name=content["name"])


def tensor_names(path: Path) -> set[str]:
    """Names of what the nodes of a file put out, as Model Explorer's reader sees them."""
    (collection,) = json.loads(adapter.ConvertFlatbufferDirectlyToJson(adapter.VisualizeConfig(), str(path)))
    return {
        attribute["value"]
        for graph in collection["subgraphs"]
        for node in graph["nodes"]
        for output in node.get("outputsMetadata", [])
        for attribute in output["attrs"]
        if attribute["key"] == "tensor_name"
    }


@pytest.mark.parametrize(("recipe", "stage"), [("fp32", "conditioner"), ("int8", "dit"), ("int8_decoder", "decoder")])
def test_overlays_load_beside_the_file(
    judge: Judge, bundles: Mapping[str, Bundle], tmp_path: Path, recipe: str, stage: str
) -> None:
    errors = module_errors(judge, stage, f"litert_{recipe}", case_called(judge, "drums"))
    model = bundles[recipe].path(stage)
    named = tensor_names(model)
    paths = write_overlays(tmp_path, stage, errors)
    config = ModelExplorerConfig().add_model_from_path(str(model))
    for path in paths:
        data = node_data(path.read_text())
        assert data.results.keys() == {error.tensor for error in errors}
        assert data.results.keys() <= named
        config.add_node_data(data.name or "", data, model_name=model.name).add_node_data_from_path(str(path))
        assert json.loads(data.to_json_string())["results"] == json.loads(path.read_text())["results"]
    assert len(config.node_data_sources) == 2 * len(OVERLAYS)
    assert set(config.node_data_target_models) == {model.name, ""}


def test_the_worst_module_is_the_worst_node() -> None:
    bad = replace(ERROR, tensor="bad", isolated=1.0, snr_db=3.0, max_abs=2.0, median_ratio=0.5)
    good = replace(ERROR, tensor="good", isolated=1e-3, snr_db=90.0, max_abs=1e-3, median_ratio=1e-4)
    for name, (_, _, larger_is_worse) in OVERLAYS.items():
        results = overlay(name, [bad, good])["results"]
        assert (results["bad"]["value"] > results["good"]["value"]) == larger_is_worse


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_json_cannot_hold_is_marked(value: float) -> None:
    broken = replace(ERROR, tensor="broken", isolated=value, max_abs=value, median_ratio=value, snr_db=math.nan)
    for name in OVERLAYS:
        result: dict[str, Any] = overlay(name, [broken, ERROR])["results"]["broken"]
        assert result["bgColor"] == BROKEN
        assert math.isfinite(result["value"])


def test_an_exact_module_has_the_best_snr() -> None:
    exact = replace(ERROR, tensor="exact", snr_db=math.inf)
    results = overlay("snr_db", [exact, replace(ERROR, snr_db=40.0)])["results"]
    assert results["exact"] == {"value": 40.0}


def test_existing_overlays_are_kept_unless_forced(tmp_path: Path) -> None:
    write_overlays(tmp_path, "dit", [ERROR])
    with pytest.raises(InputError, match="already exists"):
        write_overlays(tmp_path, "dit", [ERROR])
    assert len(write_overlays(tmp_path, "dit", [ERROR], force=True)) == len(OVERLAYS)


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_that_is_there_is_told_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    bundle = SimpleNamespace(manifest=SimpleNamespace(recipe="int8", stages={}))
    monkeypatch.setattr(search, "given_bundles", lambda *_: [bundle])
    (there := tmp_path / f"int8.dit.{name}.json").touch()
    asked = InsideOptions(
        model=tmp_path / "model", bundle=tmp_path / "int8", stage="dit", case=None, step=0, out=tmp_path, force=False
    )
    with pytest.raises(InputError, match=f"^{there}: already exists"):
        look_inside(asked, Store(), print)
