"""What a file is made of, printed for people and for programs."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from litert_pipeline.bundle import Bundle
from parity.__main__ import app
from parity.meta_tests.of_tiny import OF_TINY
from reference.spec.files import POINTER


@pytest.mark.parametrize("recipe", ["int8", "onnx_int8"])
def test_what_programs_read_holds_nothing_else(bundles: Mapping[str, Bundle], recipe: str) -> None:
    result = CliRunner().invoke(app, ["contents", *OF_TINY, str(bundles[recipe].path("dit")), "--json"])
    assert result.exit_code == 0, result.output
    (stage,) = json.loads(result.stdout)["stages"]
    assert stage["stage"] == "dit"


def test_people_see_storage_and_scales(bundles: Mapping[str, Bundle]) -> None:
    result = CliRunner().invoke(app, ["contents", *OF_TINY, str(bundles["int4_blockwise"].path("dit"))])
    assert result.exit_code == 0, result.output
    assert "int4" in result.stdout
    assert "block of 32" in result.stdout


NO_MODEL, GOT_AGAIN = "expected a model file, .tflite or .onnx or .safetensors", "is empty, expected a model; its download"
LFS = "is a pointer to a file in Git LFS, not the file"
NO_MODELS = {
    ("notes.txt", b"words"): f"its name ends in '.txt', {NO_MODEL}\n",
    ("DIT.TFLITE", b"TFL3"): f"its name ends in '.TFLITE', {NO_MODEL}; rename it to DIT.tflite\n",
    ("dit", b"TFL3"): f"its name has no ending, {NO_MODEL}\n",
    **{(f"dit{suffix}", POINTER): LFS for suffix in (".onnx", ".safetensors", ".tflite")},
    **{(f"dit{suffix}", b""): GOT_AGAIN for suffix in (".onnx", ".safetensors", ".tflite")},
}


@pytest.mark.parametrize(("name", "content"), NO_MODELS, ids=lambda part: part if isinstance(part, str) else f"{len(part)} bytes")
def test_what_is_no_model_file_is_told(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    result = CliRunner().invoke(app, ["contents", str(tmp_path / name)])
    assert result.exit_code == 2
    assert f"error: {tmp_path / name}: {NO_MODELS[name, content]}" in result.stderr
