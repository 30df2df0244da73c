"""Files that variants share are run once; a file that only claims to be shared is not taken for the other."""

from collections.abc import Mapping
from pathlib import Path

import onnx

from litert_pipeline.bundle import Bundle, read_bundle
from litert_pipeline.model_file import sha256_of_model, size_of_model
from parity.judge.judge import Judge
from parity.judge.lineup import contenders_of
from parity.judge.plan import shared_stages
from parity.meta_tests.test_gate import copied, damage_weights, rewrite_manifest
from parity.report.artifact import artifacts_of
from parity.test_parity import case_called

DIT, DATA = "dit.onnx", "dit.onnx.data"


def test_a_damaged_copy_is_judged_by_itself(bundles: Mapping[str, Bundle], judge: Judge, tmp_path: Path) -> None:
    """The INT8 bundle's decoder is the FP32 bundle's by its manifest, and both run it in FP16."""
    folder = copied(bundles["int8"], tmp_path)
    damage_weights(folder / "decoder.tflite")
    case = case_called(judge, "drums")
    with Judge(truths=judge.truths, contenders=contenders_of([bundles["fp32"], read_bundle(folder)])) as own:
        assert all(check.ok for check in own.teacher_forced("decoder", "litert_fp16", case))
        assert not all(check.ok for check in own.teacher_forced("decoder", "litert_int8", case))
        assert own.answers("conditioner", "litert_int8", case) is own.answers("conditioner", "litert_fp32", case)


def with_external_data(bundle: Bundle, folder: Path, *, damaged: bool) -> Bundle:
    """A copy whose DiT keeps its weights beside it, and a manifest that says so."""
    copy = copied(bundle, folder)
    onnx.save(onnx.load(copy / DIT), copy / DIT, save_as_external_data=True, location=DATA)
    if damaged:
        damage_weights(copy / DATA)
    found = {"sha256": sha256_of_model(copy / DIT), "size_bytes": size_of_model(copy / DIT)}
    rewrite_manifest(copy, lambda manifest: manifest["stages"]["dit"].update(found))
    return read_bundle(copy)


def test_equal_files_with_other_weights_beside_them_are_judged_apart(
    bundles: Mapping[str, Bundle], judge: Judge, tmp_path: Path
) -> None:
    """The `.onnx` files have the same bytes; what they compute stands in the files beside them."""
    right, wrong = (
        with_external_data(bundles["onnx_fp32"], tmp_path / name, damaged=name == "wrong") for name in ("right", "wrong")
    )
    assert right.path("dit").read_bytes() == wrong.path("dit").read_bytes()
    contenders = contenders_of([right, wrong])
    first, second = (name for name in contenders if name.startswith("onnx_fp32"))
    case = case_called(judge, "drums")
    with Judge(truths=judge.truths, contenders=contenders) as own:
        assert (second, "dit") not in shared_stages(own, [first, second])
        assert (second, "decoder") in shared_stages(own, [first, second])
        assert all(check.ok for check in own.teacher_forced("dit", first, case))
        assert not all(check.ok for check in own.teacher_forced("dit", second, case))
        assert all(check.ok for check in own.artifacts(right, "right"))
        damage_weights(right.folder / DATA)
        failed = [check.metric for check in own.artifacts(right, "right") if not check.ok]
        assert failed == ["altered_file", "missing_tensors", "unexplained_constants"]
    listed = {artifact.path for artifact in artifacts_of([right])}
    assert {f"onnx_fp32/{name}" for name in (DIT, DATA)} <= listed
