"""The space is the file's own: a layer for each operator with weights, and rules that reach it and nothing else."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures import TINY_MODEL_DIR
from litert_pipeline.build.quantize import quantize
from litert_pipeline.build.recipes import quantization_recipe
from litert_pipeline.bundle import Bundle
from parity.meta_tests.search.made import trial
from parity.search.asking import Question
from parity.search.heat import by_block, by_scheme
from parity.search.measured import machine_kind, measure
from parity.search.page import page_of_sensitivity
from parity.search.places import Places
from parity.search.schemes import SCHEMES, schemes_called
from parity.search.sensitivity import Cell, Sensitivity
from parity.search.space import (
    BLOCK,
    LAYER,
    LEVELS,
    STAGE,
    Group,
    groups_of,
    layers_of,
    module_path,
    rules_of,
    selecting,
)
from parity.search.trial import FLOAT, QUANTIZED, Race, Result
from parity.search.written import overlays, write_sensitivity
from reference.spec.errors import InputError
from reference.spec.stages import DECODER, DIT

MOST_ROUNDED = 0.05  # what INT8 weights of one layer may move the clean estimate by; none of the tiny model's does by 1 %


@pytest.fixture(scope="module")
def places(float_bundle: Bundle) -> Places:
    return Places(model=TINY_MODEL_DIR, bundle=float_bundle.folder)


@pytest.fixture(scope="module")
def question(places: Places) -> Question:
    return Question.of(places, DIT, cases=["drums"], steps=[0, 4])


@pytest.fixture(scope="module")
def groups(float_bundle: Bundle) -> tuple[Group, ...]:
    return groups_of(layers_of(float_bundle.path(DIT)), LAYER)


@pytest.fixture(scope="module")
def found(question: Question, groups: tuple[Group, ...], places: Places) -> Sensitivity:
    """Of one layer, INT8 and in blocks it has no room for."""
    group, scheme = groups[1], SCHEMES["int8"]
    floor, result = (measure(question.trial(rules), places) for rules in ([], group.rules(scheme)))
    cell = Cell(group=group, scheme=scheme, result=result)
    return Sensitivity(
        question=question, groups=groups, schemes=schemes_called(["int8", "int4_b256"]), floor=floor,
        cells={(group.name, scheme.name): cell},
    )  # fmt: skip


@pytest.mark.parametrize("stage", [DIT, DECODER])
def test_each_layer_is_reached_alone(float_bundle: Bundle, stage: str) -> None:
    layers = layers_of(float_bundle.path(stage))
    assert len({layer.name for layer in layers}) == len(layers)
    for layer in layers:
        assert [other.name for other in layers if re.search(selecting([layer]), other.scope)] == [layer.name]


@pytest.mark.parametrize("level", LEVELS)
def test_groups_hold_every_layer_once(float_bundle: Bundle, level: str) -> None:
    layers = layers_of(float_bundle.path(DIT))
    grouped = [layer for group in groups_of(layers, level) for layer in group.layers]
    assert sorted(layer.name for layer in grouped) == sorted(layer.name for layer in layers)
    assert len(groups_of(layers, STAGE)) == 1 <= len(groups_of(layers, BLOCK)) < len(groups_of(layers, LAYER))


def test_a_quantized_layer_is_the_only_one_that_is(found: Sensitivity) -> None:
    (cell,) = found.cells.values()
    small = [part for part in cell.result.stored if part.stored.storage == "int8"]
    assert [(part.count, part.values) for part in small] == [(1, cell.group.values)]
    assert 0 < found.saved_bytes(cell) <= 3 * cell.group.values
    assert 0 < cell.distance < MOST_ROUNDED


def test_a_mix_is_the_bundle_that_quantize_makes_of_its_recipe(
    question: Question, groups: tuple[Group, ...], places: Places, tmp_path: Path
) -> None:
    """Each group in a scheme it takes: the recipe's file is taken by `quantize`, and gives what the trial measured."""
    every = [SCHEMES[name] for name in ("int8", "float", "fp16", "int8_weights", "int4_b32")]
    chosen = {group.name: every[at % len(every)] for at, group in enumerate(groups)}
    rules, file = rules_of(groups, chosen), tmp_path / "mix.json"
    file.write_text(json.dumps(rules))
    quantize(places.bundle, tmp_path / "out", quantization_recipe(str(file), DIT))
    made = json.loads((tmp_path / "out" / "manifest.json").read_text())["stages"][DIT]
    assert measure(question.trial(rules), places).sha256 == made["sha256"]


def test_what_the_quantizer_refuses_is_an_answer(question: Question, places: Places) -> None:
    bad = [{"regex": "(", "operation": "*", "algorithm_key": "none", "op_config": {}}]
    result = measure(question.trial(bad), places)
    assert "refuses it for dit.tflite" in result.fault
    assert result.numbers == ()


@pytest.mark.parametrize(("change", "told"), [
    ({"model": "x"}, "is not the model of this search"),
    ({"file": "x"}, "has not the dit of this search"),
    ({"code": "x"}, "measures with other code"),
    ({"steps": (99,)}, "steps 99: dit is asked at 0 to"),
])  # fmt: skip
def test_another_model_file_or_code_is_refused(question: Question, places: Places, change: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=told):
        measure(replace(question.about, **change), places)  # type: ignore[arg-type]


def test_a_race_is_run_where_it_is_asked_for(question: Question, groups: tuple[Group, ...], places: Places) -> None:
    rules = groups[1].rules(SCHEMES["int8"])
    here = replace(question, race=Race(machine=machine_kind(), threads=1, rounds=3))
    assert set(measure(here.raced(rules), places).seconds) == {FLOAT, QUANTIZED}
    elsewhere = replace(question, race=Race(machine="another", threads=1, rounds=3))
    assert "a race is asked for on 'another'" in measure(elsewhere.raced(rules), places).fault


def test_schemes_leave_out_what_does_not_fit() -> None:
    assert not SCHEMES["int4_b256"].fits("FULLY_CONNECTED", (8, 128))
    assert SCHEMES["int4_b64"].fits("FULLY_CONNECTED", (8, 128))
    assert not SCHEMES["int4_b64"].fits("CONV_2D", (8, 1, 1, 128))
    with pytest.raises(InputError, match="scheme int9 is unknown; valid schemes: float, fp16, int8"):
        schemes_called(["int9"])


@pytest.mark.parametrize(("tensor", "path"), [
    ("a.B/c.D_layers/e.Layer_0/f.LayerNorm_norm;;a.B/c.D_layers/e.Layer_0/g.Attn_attn/h.Linear_to_q;1", "layers.0.attn.to_q"),
    ("a.B/c.Attn_attn/h.Linear_q;;a.B/c.Attn_attn/h.Linear_k;2", "attn.k"),
    ("serving_default_output:0", "serving_default_output:0"),
])  # fmt: skip
def test_the_module_a_tensor_is_of(tensor: str, path: str) -> None:
    assert module_path(tensor) == path


def test_the_page_can_be_read_without_colours_mouse_or_scripts(found: Sensitivity) -> None:
    page = page_of_sensitivity(found)
    assert "<script" not in page
    tables = page.count("<table>")
    assert tables == page.count("<caption>") == page.count('tabindex="0"') == 2 + len(by_block(found))
    assert "<th>" not in page
    (cell,) = found.cells.values()
    assert f'title="distance {cell.distance:.1e}, {found.saved_bytes(cell):,} bytes less">{cell.distance:.1e}</td>' in page


def test_what_is_written_of_sensitivities(found: Sensitivity, tmp_path: Path) -> None:
    names = write_sensitivity(found, tmp_path)
    assert {"sensitivity.csv", "sensitivity.json", "sensitivity.html", "overlays/dit.int8.json"} == set(names)
    assert all((tmp_path / name).read_text() for name in names)
    (cell,) = found.cells.values()
    assert f'"{cell.group.layers[0].tensor}"' in overlays(found)["overlays/dit.int8.json"]


def test_a_heat_map_says_what_the_quantizer_refused(found: Sensitivity) -> None:
    (key,) = found.cells
    refused = replace(found.cells[key], result=Result(address=trial().address, fault="why"))
    texts = [cell.text for _, cells in by_scheme(replace(found, cells={key: refused})).rows for cell in cells if cell]
    assert texts == ["refused"]
