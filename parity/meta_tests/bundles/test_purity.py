"""Graphs whose answer does not follow from their inputs alone are refused unrun; noise that an encoder draws is handed in."""

import copy
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import flatbuffers
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper

from fixtures import TINY_MODEL_DIR
from fixtures.oracle.positional import DRAWING_ENCODER
from litert_pipeline.bundle import Bundle
from litert_pipeline.model_file import sha256_of_model, size_of_model
from litert_pipeline.run.tapped import runnable
from parity.bundles.foreign import read_foreign
from parity.bundles.interface import read_interface
from parity.faults.counting import let_count
from parity.judge.judge import Judge
from parity.judge.lineup import contenders_of
from parity.meta_tests.bundles.test_foreign import run
from parity.meta_tests.test_gate import copied, damage_weights, rewrite_manifest
from parity.test_parity import case_called
from reference.spec.stages import DECODER, DIT, ENCODER

OWN_NOISE = "autoencoder_encoder_model.tflite: draws its encoder_noise itself"


def edited(path: Path, change: Callable[[Any], None]) -> None:
    """A `.tflite` file with something else in it."""
    model = schema.ModelT.InitFromPackedBuf(bytearray(path.read_bytes()), 0)
    change(model)
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))


def with_operator(name: str, custom: str | None = None) -> Callable[[Any], None]:
    """One more operator, without inputs and outputs: nobody will run it."""

    def change(model: Any) -> None:
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.customCode = custom.encode() if custom else None
        model.operatorCodes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = len(model.operatorCodes) - 1, [], []
        model.subgraphs[0].operators.append(operator)

    return change


def variable_tensor(model: Any) -> None:
    """What recurrent operators keep their state in."""
    model.subgraphs[0].tensors[-1].isVariable = True


def external_buffers(model: Any) -> None:
    group = schema.ExternalBufferGroupT()
    group.name = b"weights.bin"
    model.externalBufferGroups = [group]


IMPURE = {
    "variable": (with_operator("VAR_HANDLE"), "keeps state from call to call: VAR_HANDLE"),
    "assignment": (with_operator("ASSIGN_VARIABLE"), "keeps state from call to call: ASSIGN_VARIABLE"),
    "reading": (with_operator("READ_VARIABLE"), "keeps state from call to call: READ_VARIABLE"),
    "call once": (with_operator("CALL_ONCE"), "keeps state from call to call: CALL_ONCE"),
    "hash table": (with_operator("HASHTABLE"), "keeps state from call to call: HASHTABLE"),
    "state of a recurrent operator": (variable_tensor, "keeps state from call to call: a variable tensor"),
    "normal": (with_operator("RANDOM_STANDARD_NORMAL"), "draws at random: RANDOM_STANDARD_NORMAL"),
    "uniform": (with_operator("RANDOM_UNIFORM"), "draws at random: RANDOM_UNIFORM"),
    "multinomial": (with_operator("MULTINOMIAL"), "draws at random: MULTINOMIAL"),
    "stablehlo": (with_operator("STABLEHLO_RNG_BIT_GENERATOR"), "draws at random: STABLEHLO_RNG_BIT_GENERATOR"),
    "custom": (with_operator("CUSTOM", "FlexErf"), "operators that the runtime does not have: FlexErf"),
    "custom call": (with_operator("STABLEHLO_CUSTOM_CALL"), "operators that the runtime does not have: STABLEHLO_CUSTOM_CALL"),
    "external": (external_buffers, "keeps buffers outside of the file: weights.bin"),
}  # fmt: skip
PURE = {"Hadamard": with_operator("CUSTOM", "aeq.hadamard_rotation"), "composite": with_operator("STABLEHLO_COMPOSITE")}


@pytest.mark.parametrize("kind", IMPURE)
def test_impure_operators_of_a_litert_file_are_named(bundles: Mapping[str, Bundle], tmp_path: Path, kind: str) -> None:
    change, words = IMPURE[kind]
    path = Path(shutil.copyfile(bundles["fp32"].path(DECODER), tmp_path / "decoder.tflite"))
    assert read_interface(path).operators.count == 0
    edited(path, change)
    found = read_interface(path).operators
    assert found.count == 1
    assert words in str(found)


@pytest.mark.parametrize("kind", PURE)
def test_what_the_runtime_ships_is_not_custom(bundles: Mapping[str, Bundle], tmp_path: Path, kind: str) -> None:
    path = Path(shutil.copyfile(bundles["fp32"].path(DECODER), tmp_path / "decoder.tflite"))
    edited(path, PURE[kind])
    assert read_interface(path).operators.count == 0


ONNX_NODES = {
    "normal": (helper.make_node("RandomNormal", [], ["r"], shape=[1]), "draws at random: RandomNormal"),
    "like": (helper.make_node("RandomNormalLike", ["x"], ["r"]), "draws at random: RandomNormalLike"),
    "uniform": (helper.make_node("RandomUniformLike", ["x"], ["r"]), "draws at random: RandomUniformLike"),
    "multinomial": (helper.make_node("Multinomial", ["x"], ["r"]), "draws at random: Multinomial"),
    "Bernoulli": (helper.make_node("Bernoulli", ["x"], ["r"]), "draws at random: Bernoulli"),
    "dropout in training": (helper.make_node("Dropout", ["x", "", "yes"], ["r"]), "draws at random: Dropout"),
    "dropout that is told later": (helper.make_node("Dropout", ["x", "", "x"], ["r"]), "draws at random: Dropout"),
    "custom": (helper.make_node("Snake", ["x"], ["r"], domain="my.ops"), "the runtime does not have: my.ops.Snake"),
    "dropout": (helper.make_node("Dropout", ["x", "", "no"], ["r"]), ""),
    "dropout by default": (helper.make_node("Dropout", ["x"], ["r"]), ""),
    "ONNX Runtime's own": (helper.make_node("MatMulNBits", ["x"], ["r"], domain="com.microsoft"), ""),
    "a function of the file": (helper.make_node("Twice", ["x"], ["r"], domain="own"), ""),
}


@pytest.mark.parametrize("inner", [False, True], ids=["outside", "in a branch"])
@pytest.mark.parametrize("kind", ONNX_NODES)
def test_impure_operators_of_an_onnx_file_are_named(tmp_path: Path, kind: str, inner: bool) -> None:
    node, words = ONNX_NODES[kind]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    flags = [helper.make_tensor(name, TensorProto.BOOL, [], [name == "yes"]) for name in ("yes", "no")]
    if inner:
        branch = helper.make_graph([node], "b", [], [helper.make_tensor_value_info("r", TensorProto.FLOAT, [1])])
        node = helper.make_node("If", ["yes"], ["y"], then_branch=branch, else_branch=branch)
    graph = helper.make_graph([node], "g", [x], [y], initializer=flags)
    twice = helper.make_function("own", "Twice", ["x"], ["y"], [helper.make_node("Add", ["x", "x"], ["y"])], [])
    onnx.save(helper.make_model(graph, functions=[twice]), tmp_path / "f.onnx")
    found = read_interface(tmp_path / "f.onnx").operators
    assert (found.count > 0) == bool(words)
    assert words in str(found)


def noted(folder: Path, stage: str, file: str) -> None:
    """The manifest speaks of the file that is there now."""
    path = folder / file
    found = {"sha256": sha256_of_model(path), "size_bytes": size_of_model(path)}
    rewrite_manifest(folder, lambda manifest: manifest["stages"][stage].update(found))


def custom_onnx(path: Path) -> None:
    """The first node asks for an operator that nobody has."""
    model = onnx.load(path)
    model.graph.node[0].domain = "my.ops"
    onnx.save(model, path)


REFUSED = {
    "variables": ("fp32", DECODER, lambda path: let_count(path, 400), "keeps state from call to call"),
    "custom": ("fp32", DECODER, lambda path: edited(path, with_operator("CUSTOM", "FlexErf")), "does not have: FlexErf"),
    "custom, ONNX": ("onnx_fp32", DIT, custom_onnx, "does not have: my.ops."),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_such_a_bundle_is_refused_and_the_others_are_judged(
    bundles: Mapping[str, Bundle], tmp_path: Path, kind: str
) -> None:
    """It is not run: a file whose operators nobody has does not even open."""
    recipe, stage, change, words = REFUSED[kind]
    folder = copied(bundles[recipe], tmp_path)
    file = bundles[recipe].manifest.stages[stage].file
    change(folder / file)
    noted(folder, stage, file)
    plain = bundles["onnx_int8"].folder
    code, output = run("gate", "--bundle", folder, "--bundle", plain, "--cases", "drums", "--report", tmp_path / "r")
    assert code == 1, output
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert [found["verdict"] for found in report["bundles"]] == ["refuse", "publish"], output
    assert words in report["bundles"][0]["why"]
    assert f"{stage}/" in report["bundles"][0]["why"]
    assert "is not run: its bundle is refused for its operators" in output


def test_an_encoder_that_draws_its_noise_is_judged_with_the_truth_s(drawing: Path, tmp_path: Path) -> None:
    """Arm's folder: what the random operator would draw is handed in, and the report says that the file draws."""
    code, output = run("gate", "--bundle", drawing, "--cases", "drums", "--report", tmp_path / "report")
    assert code == 0, output
    assert OWN_NOISE in output
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert {"nonfinite_values", "relative_l2"} <= {check["metric"] for check in report["checks"] if check["stage"] == ENCODER}
    (row,) = (row for row in report["assignments"] if row["kind"] == "noise")
    assert (row["file"], row["tensor"]) == (DRAWING_ENCODER, "encoder_noise")
    assert "drawn inside" in (tmp_path / "report" / "parity-card.md").read_text()


def half_as_much(model: Any) -> None:
    """The graph adds the noise's half: its own operator multiplies the wrong way round."""
    graph = model.subgraphs[0]
    random = schema.BuiltinOperator.RANDOM_STANDARD_NORMAL
    (drawn,) = (op.outputs[0] for op in graph.operators if model.operatorCodes[op.opcodeIndex].builtinCode == random)
    (reader,) = (op for op in graph.operators if drawn in list(op.inputs))
    reader.inputs = [reader.inputs[1 - list(reader.inputs).index(drawn)]] * 2


def uniform(model: Any) -> None:
    for code in model.operatorCodes:
        if code.builtinCode == schema.BuiltinOperator.RANDOM_STANDARD_NORMAL:
            code.builtinCode = schema.BuiltinOperator.RANDOM_UNIFORM
            code.deprecatedBuiltinCode = schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES


def drawing_twice(model: Any) -> None:
    """Another draw, which nobody reads."""
    graph = model.subgraphs[0]
    random = schema.BuiltinOperator.RANDOM_STANDARD_NORMAL
    (first,) = (op for op in graph.operators if model.operatorCodes[op.opcodeIndex].builtinCode == random)
    again = copy.deepcopy(first)
    graph.tensors.append(copy.deepcopy(graph.tensors[first.outputs[0]]))
    again.outputs = [len(graph.tensors) - 1]
    graph.operators.append(again)


WRONG = {
    "weights": (damage_weights, "encoder/litert"),
    "noise": (lambda path: edited(path, half_as_much), "encoder/litert"),
    "another noise": (lambda path: edited(path, uniform), "draws at random: RANDOM_UNIFORM"),
    "twice": (lambda path: edited(path, drawing_twice), "draws at random: RANDOM_STANDARD_NORMAL"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_drawing_encoder_that_is_wrong_is_refused(drawing: Path, tmp_path: Path, kind: str) -> None:
    change, words = WRONG[kind]
    folder = Path(shutil.copytree(drawing, tmp_path / "wrong"))
    change(folder / DRAWING_ENCODER)
    code, output = run("gate", "--bundle", folder, "--cases", "drums", "--variants", "litert_fp32")
    assert code == 1, output
    assert words in output
    assert "blame encoder" in output


def test_every_runtime_answers_for_a_drawing_encoder_alike(drawing: Path, judge: Judge) -> None:
    bundle = read_foreign(drawing, TINY_MODEL_DIR)
    with Judge(truths=judge.truths, contenders=contenders_of([bundle])) as own:
        case = case_called(judge, "drums")
        for variant in ("litert_fp32", "litert_fp32_interpreter", "litert_fp32_builtin"):
            assert all(check.ok for check in own.teacher_forced(ENCODER, variant, case))
            assert own.determinism(ENCODER, variant, case).ok


def test_the_file_itself_is_left_alone_and_its_copy_goes(drawing: Path) -> None:
    entry = read_foreign(drawing, TINY_MODEL_DIR).manifest.stages[ENCODER]
    path = drawing / DRAWING_ENCODER
    before = path.read_bytes()
    assert entry.binding is not None
    with runnable(path, entry) as other:
        assert other != path
        assert read_interface(other).operators.count == 0
        assert [tensor.name for tensor in read_interface(other).inputs[1:]] == [match.theirs.name for match in entry.binding.drawn]
    assert not other.exists()
    assert path.read_bytes() == before
