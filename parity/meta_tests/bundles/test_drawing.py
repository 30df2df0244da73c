"""An encoder that draws its noise itself, as Arm's script writes it, is judged like one that takes it."""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from ai_edge_litert import schema_py_generated as schema

from fixtures import TINY_MODEL_DIR
from fixtures.oracle.positional import DRAWING_ENCODER
from litert_pipeline.run.tapped import runnable
from parity.bundles.foreign import read_foreign
from parity.bundles.interface import read_interface
from parity.judge.judge import Judge
from parity.judge.lineup import contenders_of
from parity.meta_tests.bundles.test_foreign import run
from parity.meta_tests.bundles.test_purity import edited
from parity.meta_tests.test_gate import FEW_DRAWS, damage_weights
from parity.test_parity import case_called
from reference.spec.stages import ENCODER

OWN_NOISE = "autoencoder_encoder_model.tflite: draws its encoder_noise itself"


def test_an_encoder_that_draws_its_noise_is_judged_with_the_truth_s(drawing: Path, tmp_path: Path) -> None:
    """Arm's folder: what the random operator would draw is handed in, and the report says that the file draws."""
    judged = ("--variants", "litert_fp32,litert_fp32_builtin", "--cases", "drums")
    code, output = run("gate", *FEW_DRAWS, "--bundle", drawing, *judged, "--report", tmp_path / "report")
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
    code, output = run("gate", *FEW_DRAWS, "--bundle", folder, "--cases", "drums", "--variants", "litert_fp32")
    assert code == 1, output
    assert words in output
    assert "blame encoder" in output


def test_every_runtime_answers_for_a_drawing_encoder_alike(drawing: Path, judge: Judge) -> None:
    bundle = read_foreign(drawing, TINY_MODEL_DIR)
    with Judge(truths=judge.truths, contenders=contenders_of([bundle])) as own:
        case = case_called(judge, "drums")
        for variant in ("litert_fp32", "litert_fp32_interpreter", "litert_fp32_builtin"):
            assert all(check.ok for check in own.teacher_forced(ENCODER, variant, case))
        assert own.determinism(ENCODER, "litert_fp32", case).ok  # many calls, which take plain kernels a minute


def test_the_file_itself_is_left_alone_and_its_copy_goes(drawing: Path) -> None:
    entry = read_foreign(drawing, TINY_MODEL_DIR).manifest.stages[ENCODER]
    path = drawing / DRAWING_ENCODER
    before = path.read_bytes()
    assert entry.binding is not None
    with runnable(path, entry) as other:
        assert other != path
        assert read_interface(other).operators.count == 0
        handed_in = [tensor.name for tensor in read_interface(other).inputs[1:]]
        assert handed_in == [match.theirs.name for match in entry.binding.drawn]
    assert not other.exists()
    assert path.read_bytes() == before
