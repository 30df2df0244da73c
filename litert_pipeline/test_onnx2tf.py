"""The onnx2tf route: its stage beside copies of another bundle's, refused where they do not belong together."""

import json
import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fixtures import TINY_MODEL_DIR
from litert_pipeline.__main__ import app
from litert_pipeline.build import onnx2tf
from litert_pipeline.bundle import MANIFEST_NAME, Bundle
from parity.bundles.given import makeable
from reference.spec.files import sha256_of

RECIPES = ["onnx2tf", "onnx2tf_float16"]


def convert(base: Path, out: Path, recipe: str = RECIPES[0]) -> tuple[int, str]:
    words = ["--model", TINY_MODEL_DIR, "--recipe", recipe, "--base", base, "--out", out]
    result = CliRunner().invoke(app, ["convert", *map(str, words)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.mark.parametrize("recipe", RECIPES)
def test_only_the_conditioner_is_converted_anew(bundles: Mapping[str, Bundle], recipe: str) -> None:
    base, bundle = bundles["fp32"], bundles[recipe]
    changed = {name for name in base.manifest.stages if sha256_of(base.path(name)) != sha256_of(bundle.path(name))}
    assert changed == {"conditioner"}
    assert bundle.manifest.source == base.manifest.source
    bundle.require_intact()


def test_the_float16_file_is_half_the_size(bundles: Mapping[str, Bundle]) -> None:
    sizes = [bundles[recipe].manifest.stages["conditioner"].size_bytes for recipe in RECIPES]
    assert sizes[1] < 0.6 * sizes[0]


def of_another_model(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST_NAME).read_text())
    manifest["source"]["weights_sha256"] = "0" * 64
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest))


def altered(folder: Path) -> None:
    path = folder / "dit.tflite"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(("spoil", "words"), [(of_another_model, "was not converted from"), (altered, "SHA-256 differs")])
def test_a_base_that_does_not_belong_is_refused(bundles: Mapping[str, Bundle], tmp_path: Path, spoil, words: str) -> None:
    folder = Path(shutil.copytree(bundles["fp32"].folder, tmp_path / "base"))
    spoil(folder)
    code, output = convert(folder, tmp_path / "out")
    assert (code, words in output) == (2, True), output
    assert not (tmp_path / "out").exists()


def command_that(script: str, folder: Path) -> Path:
    path = folder / "bin" / onnx2tf.COMMAND
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_a_base_without_an_encoder_has_it_converted(
    bundles: Mapping[str, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What onnx2tf makes of the conditioner is at hand already."""
    made = bundles[RECIPES[0]].path("conditioner")
    command_that(f'mkdir "$4" && cp "{made}" "$4/conditioner_float32.tflite"', tmp_path / "environment")
    monkeypatch.setattr(onnx2tf, "ENVIRONMENT", tmp_path / "environment")
    folder = Path(shutil.copytree(bundles["fp32"].folder, tmp_path / "base"))
    manifest = json.loads((folder / MANIFEST_NAME).read_text())
    del manifest["stages"]["encoder"]
    (folder / MANIFEST_NAME).write_text(json.dumps(manifest))
    code, output = convert(folder, tmp_path / "out")
    assert (code, "converting encoder" in output, "converting dit" in output) == (0, True, False), output


@pytest.mark.parametrize(("base", "recipe"), [("onnx_fp32", "onnx2tf"), ("int8", "onnx2tf"), ("fp32", "fp32")])
def test_a_base_of_another_recipe_is_refused(
    bundles: Mapping[str, Bundle], tmp_path: Path, base: str, recipe: str
) -> None:
    code, output = convert(bundles[base].folder, tmp_path / "out", recipe)
    assert code == 2, output
    assert f"is a '{base}' bundle; recipe '{recipe}'" in output


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'cannot convert op X'; exit 3", "exit code 3: cannot convert op X"),
        ("exit 0", "exit code 0: nothing was printed"),
    ],
)
def test_a_converter_that_fails_is_told_in_one_line(
    bundles: Mapping[str, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, words: str
) -> None:
    command_that(script, tmp_path / "environment")
    monkeypatch.setattr(onnx2tf, "ENVIRONMENT", tmp_path / "environment")
    code, output = convert(bundles["fp32"].folder, tmp_path / "out")
    assert (code, words in output) == (2, True), output
    assert not (tmp_path / "out").exists()


def test_a_missing_converter_is_named_and_the_gate_says_what_it_leaves_out(
    bundles: Mapping[str, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx2tf, "ENVIRONMENT", tmp_path / "nowhere")
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    code, output = convert(bundles["fp32"].folder, tmp_path / "out")
    assert (code, "make onnx2tf" in output) == (2, True), output
    told: list[str] = []
    assert makeable({"fp32", *RECIPES}, told.append) == {"fp32"}
    assert [name for name in RECIPES if any(f"bundle {name}," in line for line in told)] == RECIPES
