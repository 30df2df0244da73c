"""Converting and quantizing from the command line: bad input leaves nothing behind, recipes in files do what they say."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from ai_edge_litert.tools import mmap_utils

from litert_pipeline.build.quantize import quantize
from litert_pipeline.build.recipes import DYNAMIC_INT8, RECIPES
from litert_pipeline.bundle import Bundle
from litert_pipeline.test_commands import LITERT, PROMPT, call
from reference.spec.files import sha256_of


@pytest.mark.parametrize(("arguments", "words"), [
    (("convert", "--recipe", "int8"), "onnx2tf, onnx2tf_float16, fp16; make an fp32 bundle first"),
    (("convert", "--recipe", "fp9"), "valid recipes: fp32, plain, windowed"),
    (("convert", "--model", "no_such_dir"), "no such folder"),
    (("quantize", "FP32", "--recipe", "int9"), "valid: onnx_int8, mlx_fp16, "),
    (("quantize", "FP32", "--recipe", "BAD.json"), "unknown or unsupported key 'quantise'"),
    (("quantize", "INT8", "--recipe", "int8"), "starts from an unquantized litert bundle, such as 'fp32'"),
    (("quantize", "no_such_dir", "--recipe", "int8"), "no such folder"),
], ids=["int8", "unknown", "no model", "unknown int8", "bad file", "twice", "no bundle"])  # fmt: skip
def test_bad_conversions_are_refused(
    bundles: Mapping[str, Bundle], tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps({"name": "x", "quantize": {"dit": []}, "quantise": {}}))
    stand_ins = {"FP32": str(bundles["fp32"].folder), "INT8": str(bundles["int8"].folder), "BAD.json": str(bad)}
    code, output = call(LITERT, *(stand_ins.get(word, word) for word in arguments), "--out", tmp_path / "out")
    assert code == 2
    assert words in output
    assert [path.name for path in tmp_path.iterdir()] == ["bad.json"]


@pytest.mark.parametrize("verb", ["convert", "quantize"])
def test_existing_bundle_is_kept_without_force(bundles: Mapping[str, Bundle], tmp_path: Path, verb: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("mine")
    arguments = [bundles["fp32"].folder, "--recipe", "int8"] if verb == "quantize" else []
    code, output = call(LITERT, verb, *arguments, "--out", out)
    assert code == 2
    assert "already exists; choose another path or pass --force" in output
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "mine"]


def test_quantizing_from_a_recipe_file(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    """The named recipe written as a file gives the same bytes."""
    recipe, out = tmp_path / "mine.json", tmp_path / "out"
    recipe.write_text(
        json.dumps(
            {"name": "mine", "quantize": {"dit": DYNAMIC_INT8}, "compute": {"decoder": "fp16", "encoder": "fp16"}}
        )
    )
    code, output = call(LITERT, "quantize", bundles["fp32"].folder, "--recipe", recipe, "--out", out)
    assert code == 0, output
    assert sha256_of(out / "dit.tflite") == bundles["int8"].manifest.stages["dit"].sha256
    assert json.loads((out / "manifest.json").read_text())["recipe"] == "mine"


def test_nothing_is_written_through_memory(
    bundles: Mapping[str, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the disk is full, that ends the process without a word, and what is half-written stays."""
    monkeypatch.setattr(mmap_utils, "get_mapped_buffer", lambda path, size: pytest.fail(f"{path} is written through memory"))
    quantize(bundles["fp32"].folder, tmp_path / "out", RECIPES["int8"])


def test_altered_bundle_neither_generates_nor_quantizes(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(bundles["fp32"].folder, tmp_path / "bundle"))
    data = bytearray((folder / "dit.tflite").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "dit.tflite").write_bytes(data)
    code, output = call(LITERT, "generate", PROMPT, "--bundle", folder, "--out", tmp_path / "a.wav")
    assert code == 2
    assert "SHA-256 differs from the manifest" in output
    code, output = call(LITERT, "quantize", folder, "--recipe", "int8", "--out", tmp_path / "int8")
    assert code == 2
    assert "SHA-256 differs from the manifest" in output
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_int8_is_smaller_and_only_the_dit_differs(bundles: Mapping[str, Bundle]) -> None:
    fp32, int8 = (bundles[name].manifest.stages for name in ("fp32", "int8"))
    assert int8["dit"].size_bytes * 3 < fp32["dit"].size_bytes
    for stage in ("conditioner", "decoder", "encoder"):
        assert int8[stage].sha256 == fp32[stage].sha256
    assert {stage: entry.compute for stage, entry in int8.items()} == {
        "conditioner": "fp32", "dit": "fp32", "decoder": "fp16", "encoder": "fp16",
    }  # fmt: skip
