"""Graphs whose answer does not follow from their inputs alone are refused without being run."""

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

from litert_pipeline.bundle import Bundle
from litert_pipeline.model_file import sha256_of_model, size_of_model
from parity.bundles.constants_litert import litert_constants
from parity.bundles.interface import read_interface
from parity.faults.counting import let_count
from parity.meta_tests.bundles.test_foreign import run
from parity.meta_tests.test_gate import FEW_DRAWS, copied, rewrite_manifest
from reference.spec.errors import InputError
from reference.spec.stages import DECODER, DIT


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
WITH_OTHERS = {"variables"}  # what becomes of a bundle beside it is asked once: judging that takes the time


def test_a_type_of_constant_that_is_not_known_is_told(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    """The file is sound, for all that is known: it is not called damaged."""
    path = Path(shutil.copyfile(bundles["fp32"].path(DIT), tmp_path / "dit.tflite"))
    edited(path, newer_constant)
    with pytest.raises(InputError, match=r"dit.tflite: constant '.*' is UINT32, expected one of FLOAT32, .*; convert it"):
        litert_constants(path)


def newer_constant(model: Any) -> None:
    graph = model.subgraphs[0]
    held = next(tensor for tensor in graph.tensors if model.buffers[tensor.buffer].data is not None)
    held.type = schema.TensorType.UINT32


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
    others = ("--bundle", bundles["onnx_int8"].folder) if kind in WITH_OTHERS else ()
    code, output = run("gate", *FEW_DRAWS, "--bundle", folder, *others, "--cases", "drums", "--report", tmp_path / "r")
    assert code == 1, output
    report = json.loads((tmp_path / "r" / "report.json").read_text())
    assert [found["verdict"] for found in report["bundles"]] == ["refuse", *["publish" for _ in others[1:]]], output
    assert words in report["bundles"][0]["why"]
    assert f"{stage}/" in report["bundles"][0]["why"]
    assert "is not run: its bundle is refused for its operators" in output
