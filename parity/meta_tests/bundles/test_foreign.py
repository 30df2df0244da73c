"""Bundles made elsewhere: matched whatever names, order and layout they have, judged like ours, refused with the cause."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from typer.testing import CliRunner

from fixtures import TINY_MODEL_DIR
from fixtures.oracle.positional import FILES
from fixtures.oracle.tflite_edit import edit_graph
from litert_pipeline.binding import Match
from litert_pipeline.bundle import Bundle
from parity.__main__ import app
from parity.bundles.app import REVISIONS
from parity.bundles.assign import assignments
from parity.bundles.foreign import read_foreign
from parity.bundles.interface import FileTensor, Interface, read_interface
from parity.judge.input_order import swapped_inputs
from parity.judge.judge import Judge
from parity.judge.lineup import contenders_of
from parity.measure.metrics import relative_l2
from parity.meta_tests.of_tiny import OF_TINY
from parity.meta_tests.test_gate import FEW_DRAWS
from parity.test_parity import case_called
from reference.spec.stages import signatures
from reference.spec.tensors import Signature, Tensor

LIKE_OURS = 1e-5  # relative L2 between two float32 conversions of the same weights; measured up to 3e-6
ROLES = {
    "conditioner": ("input_ids", "attention_mask", "seconds_total"),
    "dit": ("x", "t", "cross_attention_cond", "global_cond"),
    "decoder": ("latents",),
}


def run(verb: str, *arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, [verb, *OF_TINY, *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, " ".join(result.output.split())


def roles(bundle: Bundle, stage: str) -> tuple[str, ...]:
    binding = bundle.manifest.stages[stage].binding
    assert binding is not None
    return tuple(match.ours.name for match in sorted(binding.inputs, key=lambda match: match.position))


def edited(folder: Path, source: Path, stage: str, **changes: object) -> Path:
    """A copy of a folder with one graph edited."""
    copy = Path(shutil.copytree(source, folder / "edited"))
    edit_graph(copy / FILES[stage], **changes)  # type: ignore[arg-type]
    return copy


def test_a_bundle_of_somebody_else_is_published(positional: Path, tmp_path: Path) -> None:
    judged = ("--variants", "litert_fp32", "--cases", "drums")
    code, output = run("gate", *FEW_DRAWS, "--bundle", positional, *judged, "--report", tmp_path / "report")
    assert code == 0, output
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    found = {(row["stage"], row["tensor"]): row for row in report["assignments"] if row["kind"] == "input"}
    for stage, tensors in ROLES.items():
        for position, tensor in enumerate(tensors):
            assert found[stage, tensor]["position"] == position
            assert found[stage, tensor]["name"] == f"args_{position}"
    assert found["conditioner", "input_ids"]["known_by"] == "probing"
    assert found["dit", "x"]["known_by"] == "shape"
    unused = [row for row in report["assignments"] if row["tensor"] is None]
    assert [(row["stage"], row["name"]) for row in unused] == [("conditioner", "output_1")]
    assert "cross_attention_cond" in (tmp_path / "report" / "parity-card.md").read_text()
    assert "args_2" in (tmp_path / "report" / "report.html").read_text()


@pytest.mark.parametrize("stage", ["conditioner", "dit"])
def test_inputs_swapped_in_the_file_are_refused_and_named(positional: Path, tmp_path: Path, stage: str) -> None:
    """The signature says one thing, the graph's own names another."""
    swapped = edited(tmp_path, positional, stage, signature_order=[1, 0])
    code, output = run("gate", *FEW_DRAWS, "--bundle", swapped, "--cases", "drums", "--variants", "litert_fp32")
    assert code == 1, output
    assert f"blame {stage}" in output
    assert f"inputs are swapped in {FILES[stage]}" in output
    assert "'args_0' is the graph's 'serving_default_args_1'" in output


@pytest.mark.parametrize("order", [[1, 0, 2, 3], [3, 2, 1, 0]])
def test_a_graph_that_takes_its_arguments_in_another_order_is_refused(
    positional: Path, tmp_path: Path, order: list[int]
) -> None:
    swapped = edited(tmp_path, positional, "dit", graph_order=order)
    bundle = read_foreign(swapped, TINY_MODEL_DIR)
    assert roles(bundle, "dit") == tuple(ROLES["dit"][index] for index in order)
    binding = bundle.manifest.stages["dit"].binding
    assert binding is not None
    assert len(swapped_inputs("dit", binding)) == sum(place != index for place, index in enumerate(order))


@pytest.mark.parametrize("revision", REVISIONS, ids=lambda revision: revision.name)
def test_an_order_the_app_is_written_for_is_no_fault(positional: Path, tmp_path: Path, revision: object) -> None:
    order = [ROLES["dit"].index(name) for name in revision.dit_inputs]  # type: ignore[attr-defined]
    binding = read_foreign(edited(tmp_path, positional, "dit", graph_order=order), TINY_MODEL_DIR).manifest.stages["dit"].binding
    assert binding is not None
    assert swapped_inputs("dit", binding) == []


def test_a_name_that_says_something_else_is_told(positional: Path) -> None:
    binding = read_foreign(positional, TINY_MODEL_DIR).manifest.stages["dit"].binding
    assert binding is not None

    def called(match: Match) -> Match:
        return replace(match, tensor_name="serving_default_timestep:0") if match.ours.name == "x" else match

    wrong = replace(binding, inputs=tuple(called(match) for match in binding.inputs))
    assert swapped_inputs("dit", wrong) == ["input 0 is called 'serving_default_timestep:0' and takes x"]


def test_mask_and_ids_in_the_other_order_are_told_apart_by_probing(positional: Path, tmp_path: Path) -> None:
    """Both are integers of one shape; consistently renamed, only their use in the graph tells them apart."""
    order = [1, 0, 2]
    other = edited(tmp_path, positional, "conditioner", graph_order=order, signature_order=order, rename=True)
    bundle = read_foreign(other, TINY_MODEL_DIR)
    assert roles(bundle, "conditioner") == ("attention_mask", "input_ids", "seconds_total")
    binding = bundle.manifest.stages["conditioner"].binding
    assert binding is not None
    assert binding.probed
    assert swapped_inputs("conditioner", binding) == []


@pytest.mark.parametrize("stage", FILES)
def test_a_file_without_signature_answers_the_same(positional: Path, tmp_path: Path, judge: Judge, stage: str) -> None:
    unsigned = edited(tmp_path, positional, stage, unsigned=True)
    answers = []
    for folder in (positional, unsigned):
        bundle = read_foreign(folder, TINY_MODEL_DIR)
        with Judge(truths=judge.truths, contenders=contenders_of([bundle])) as own:
            case = case_called(judge, "drums")
            answers += [own.answers(stage, variant, case)[0] for variant in ("litert_fp32", "litert_fp32_interpreter")]
    for answer in answers[1:]:
        for name, array in answers[0].items():
            assert np.array_equal(array, answer[name])


def test_onnx_files_without_a_manifest(bundles: Mapping[str, Bundle], judge: Judge, tmp_path: Path) -> None:
    """Our own ONNX files under other names, with an open batch axis and int64 ids."""
    source, case = bundles["onnx_fp32"], case_called(judge, "drums")
    for number, stage in enumerate(FILES):
        model = onnx.load(source.path(stage))
        open_batch(model)
        onnx.save(model, tmp_path / f"part{number}.onnx")
    bundle = read_foreign(tmp_path, TINY_MODEL_DIR)
    assert bundle.manifest.recipe == "onnx_fp32"
    with Judge(truths=judge.truths, contenders=contenders_of([bundle])) as own:
        for stage in FILES:
            answer, other = (each.answers(stage, "onnx_fp32", case)[0] for each in (own, judge))
            assert all(relative_l2(other[name], answer[name]) <= LIKE_OURS for name in other)


def open_batch(model: onnx.ModelProto) -> None:
    """Let the batch axis open and take ids as int64, cast where they enter."""
    for entry in model.graph.input:
        entry.type.tensor_type.shape.dim[0].dim_param = "batch"
        if entry.type.tensor_type.elem_type == TensorProto.INT32:
            inner, entry.name = entry.name, f"{entry.name}_64"
            entry.type.tensor_type.elem_type = TensorProto.INT64
            model.graph.node.insert(0, helper.make_node("Cast", [entry.name], [inner], to=TensorProto.INT32))


def test_how_weights_are_stored_chooses_the_budgets(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    for recipe in ("fp32", "int8", "int8_weight_only", "int8_decoder", "int4_blockwise", "fp16_weights", "onnx_int8"):
        source = bundles[recipe]
        folder = tmp_path / recipe
        folder.mkdir()
        for stage in source.manifest.stages:
            shutil.copyfile(source.path(stage), folder / source.path(stage).name)
        assert read_foreign(folder, TINY_MODEL_DIR).manifest.recipe == recipe
        assert read_interface(source.path("dit")).inputs


BAD = {
    "nothing": (lambda folder: None, "neither manifest.json nor"),
    "no decoder": (lambda folder: (folder / FILES["decoder"]).unlink(), "no file fits stage decoder"),
    "two decoders": (lambda folder: shutil.copyfile(folder / FILES["decoder"], folder / "b.tflite"), "both fit|all fit"),
    "no model": (lambda folder: (folder / FILES["dit"]).write_bytes(b"x" * 5000), "dit_model.tflite"),
    "cut off": (lambda folder: cut(folder / FILES["dit"]), "dit_model.tflite"),
}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_judged_is_told_in_one_line(positional: Path, tmp_path: Path, kind: str) -> None:
    change, told = BAD[kind]
    folder = tmp_path / "bad"
    if kind == "nothing":
        folder.mkdir()
    else:
        shutil.copytree(positional, folder)
    change(folder)
    code, output = run("gate", *FEW_DRAWS, "--bundle", folder)
    assert code == 2
    assert any(text in output for text in told.split("|")), output


def tensor(name: str, shape: tuple[int | None, ...], dtype: str = "float32", position: int = 0) -> FileTensor:
    return FileTensor(name=name, tensor_name=name, position=position, index=position, signed=position, shape=shape, dtype=dtype)


def test_tensors_that_fit_in_two_ways_give_two_assignments() -> None:
    ours = Signature(
        inputs=tuple(Tensor(name=name, axes={"n": 3}) for name in "ab"), outputs=(Tensor(name="c", axes={"n": 3}),)
    )
    file = Interface(
        path=Path("f"), format="onnx",
        inputs=(tensor("one", (3,)), tensor("two", (1, 3), position=1)), outputs=(tensor("out", (None,)),),
    )  # fmt: skip
    ways = assignments(file, ours)
    assert [[match.theirs.name for match in way.inputs] for way in ways] == [["one", "two"], ["two", "one"]]
    assert [way.outputs[0].theirs.shape for way in ways] == [(3,), (3,)]


def test_a_file_with_an_input_too_many_fits_nothing(judge: Judge) -> None:
    declared = signatures(judge.model.spec)["decoder"]
    inputs = (tensor("z", declared.inputs[0].shape), tensor("noise", (7,), position=1))
    file = Interface(path=Path("f"), format="onnx", inputs=inputs, outputs=(tensor("a", declared.outputs[0].shape),))
    assert assignments(file, declared) == []
    assert len(assignments(replace(file, inputs=inputs[:1]), declared)) == 1


def test_wide_integers_answer_the_same(positional: Path, tmp_path: Path, judge: Judge) -> None:
    """Arm's conditioner takes int64 ids, which LiteRT's Python buffers do not know."""
    wide = edited(tmp_path, positional, "conditioner", wide_integers=True)
    case, found = case_called(judge, "drums"), []
    for folder in (positional, wide):
        bundle = read_foreign(folder, TINY_MODEL_DIR)
        with Judge(truths=judge.truths, contenders=contenders_of([bundle])) as own:
            found += [own.answers("conditioner", variant, case)[0] for variant in ("litert_fp32", "litert_fp32_interpreter")]
    assert bundle.manifest.stages["conditioner"].own_signature.inputs[0].dtype == "int64"
    for answer in found[1:]:
        assert all(np.array_equal(found[0][name], answer[name]) for name in answer)
