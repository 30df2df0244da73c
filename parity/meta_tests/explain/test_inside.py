"""`python -m parity localize`: finds, says, writes, and refuses before it computes."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from litert_pipeline.build.stage import as_converted
from litert_pipeline.bundle import MANIFEST_NAME, Bundle
from parity.__main__ import app
from parity.explain.inside.overlays import OVERLAYS
from parity.judge.judge import Judge
from parity.meta_tests.explain.test_localize import FAULTS, spoiled
from parity.meta_tests.of_tiny import OF_TINY
from parity.meta_tests.test_gate import copied, rewrite_manifest
from reference.spec.files import sha256_of


def localize(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["localize", *OF_TINY, *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


@pytest.mark.parametrize("recipe", ["int8", "onnx_int8"])
def test_a_clean_stage_has_a_table_and_overlays(bundles: Mapping[str, Bundle], tmp_path: Path, recipe: str) -> None:
    options = ("--bundle", bundles[recipe].folder, "--stage", "dit", "--out", tmp_path)
    code, output = localize(*options, "--step", 3)
    assert code == 0, output
    assert "no module is at fault" in output
    assert all(f"transformer.layers.{layer}" in output for layer in range(3))
    assert {path.name for path in tmp_path.iterdir()} == {f"{recipe}.dit.{name}.json" for name in OVERLAYS}
    code, output = localize(*options)
    assert (code, "already exists" in output, "the truth" in output) == (2, True, False), output
    assert localize(*options, "--force")[0] == 0


def test_a_wrong_module_is_named(judge: Judge, bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    folder = copied(bundles["fp32"], tmp_path)
    stage, wrong = FAULTS["DiT, second cross-attention"]
    file = folder / f"{stage}.tflite"
    right = bundles["fp32"].path(stage)
    spoiled(right, as_converted(judge.model, stage, right).get_submodule(wrong), file)
    rewrite_manifest(folder, lambda manifest: manifest["stages"][stage].update(sha256=sha256_of(file)))
    code, output = localize("--bundle", folder, "--stage", stage)
    assert (code, f"first fault: {wrong}" in output) == (1, True), output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--stage", "vocoder"), "has no stage 'vocoder'"),
        (("--stage", "dit", "--step", "8"), "expected 0 to 7"),
        (("--stage", "dit", "--case", "typo"), "valid cases"),
    ],
)
def test_bad_options_are_told_in_one_line(bundles: Mapping[str, Bundle], options: tuple[str, ...], words: str) -> None:
    code, output = localize("--bundle", bundles["fp32"].folder, *options)
    assert (code, output.count("error: "), words in output) == (2, 1, True), output


def test_a_graph_without_module_names_is_told(bundles: Mapping[str, Bundle]) -> None:
    assert (bundles["onnx2tf"].folder / MANIFEST_NAME).is_file()
    code, output = localize("--bundle", bundles["onnx2tf"].folder, "--stage", "conditioner")
    assert (code, "none of its tensors is named after a module" in output) == (2, True), output


def test_files_without_a_manifest_are_looked_into_where_their_modules_have_our_names(
    bundles: Mapping[str, Bundle], tmp_path: Path
) -> None:
    folder = copied(bundles["fp32"], tmp_path)
    (folder / MANIFEST_NAME).unlink()
    code, output = localize("--bundle", folder, "--stage", "decoder")
    assert (code, "no module is at fault" in output) == (0, True), output


def test_files_of_other_modules_are_told(positional: Path) -> None:
    code, output = localize("--bundle", positional, "--stage", "dit")
    assert (code, "from modules of other names" in output) == (2, True), output
