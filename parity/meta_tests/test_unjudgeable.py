"""What the gate cannot judge: one sentence, exit code 2, and nothing left behind."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fixtures import TINY_MODEL_DIR
from litert_pipeline.bundle import MANIFEST_NAME, Bundle
from parity.__main__ import app
from parity.meta_tests.test_gate import copied, gate, rewrite_manifest
from reference.model_files import SPIECE_NAME
from reference.spec.errors import EXIT_NOT_JUDGED


def truncate(folder: Path) -> None:
    (folder / "dit.tflite").write_bytes((folder / "dit.tflite").read_bytes()[:100_000])


def truncate_behind_the_manifest(folder: Path) -> None:
    truncate(folder)
    rewrite_manifest(folder, lambda m: m["stages"]["dit"].update(size_bytes=100_000))


def garbage(folder: Path) -> None:
    size = (folder / "dit.tflite").stat().st_size
    (folder / "dit.tflite").write_bytes(b"not a model " * (size // 12) + b"x" * (size % 12))


def drop_stage(folder: Path) -> None:
    rewrite_manifest(folder, lambda m: m["stages"].pop("decoder"))


def drop_file(folder: Path) -> None:
    (folder / "decoder.tflite").unlink()


def foreign_name(folder: Path) -> None:
    rewrite_manifest(folder, lambda m: m["stages"]["dit"]["inputs"][0].update(name="latents"))


def foreign_shape(folder: Path) -> None:
    rewrite_manifest(folder, lambda m: m["stages"]["dit"]["inputs"][0]["axes"].update(frame=41))


def no_manifest(folder: Path) -> None:
    """Then its files are matched with stages, and one is missing."""
    (folder / MANIFEST_NAME).unlink()
    (folder / "decoder.tflite").unlink()


def broken_manifest(folder: Path) -> None:
    (folder / MANIFEST_NAME).write_text('{"schema": 1,')


def newer_schema(folder: Path) -> None:
    rewrite_manifest(folder, lambda m: m.update(schema=2))


def escaping_file_name(folder: Path) -> None:
    rewrite_manifest(folder, lambda m: m["stages"]["dit"].update(file="../dit.tflite"))


UNJUDGEABLE = {
    truncate: "truncated",
    truncate_behind_the_manifest: "LiteRT cannot load it",  # it mostly crashes, sometimes it says so itself
    garbage: "LiteRT cannot load it",
    drop_stage: "stage decoder is missing",
    drop_file: "no such file",
    foreign_name: "foreign signature",
    foreign_shape: "foreign signature",
    no_manifest: "no file fits stage decoder",
    broken_manifest: "not valid JSON",
    newer_schema: "schema is 2",
    escaping_file_name: "expected a plain file name",
}


@pytest.mark.parametrize("spoil", UNJUDGEABLE, ids=lambda spoil: spoil.__name__)
def test_bundle_that_cannot_be_judged(
    bundles: Mapping[str, Bundle], tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    folder = copied(bundles["fp32"], tmp_path)
    spoil(folder)
    code, output = gate("--bundle", folder, "--report", tmp_path / "report")
    assert code == 2, output
    assert UNJUDGEABLE[spoil] in output
    assert output.strip().splitlines()[-1].startswith("error: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == [folder.name]


@pytest.mark.parametrize(("arguments", "words"), [
    (("--variants", "litert_fp8"), "valid variants: torch_fp32, torch_upstream, litert_fp32"),
    (("--model", "no_such_dir"), "no such folder"),
    (("--bundle", "no_such_dir"), "no such folder"),
], ids=["unknown variant", "no model", "no bundle"])  # fmt: skip
def test_options_that_cannot_be_judged(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    code, output = gate(*arguments, "--report", tmp_path / "report")
    assert code == 2
    assert words in output
    assert list(tmp_path.iterdir()) == []


def test_unreadable_tokenizer_cannot_be_judged(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    folder = copied(bundles["fp32"], tmp_path)
    with (folder / SPIECE_NAME).open("ab") as stream:
        stream.write(b"\0")
    code, output = gate("--bundle", folder, "--variants", "litert_fp32", "--cases", "drums")
    assert code == 2
    assert "spiece.model: not a readable SentencePiece model" in output


def test_damaged_onnx_cannot_be_judged(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    folder = copied(bundles["onnx_fp32"], tmp_path)
    size = (folder / "dit.onnx").stat().st_size
    (folder / "dit.onnx").write_bytes(b"\xff" * size)
    code, output = gate("--bundle", folder, "--cases", "drums")
    assert code == 2
    assert "dit.onnx: is a damaged ONNX model" in output


def test_bundle_of_a_model_of_another_shape_cannot_be_judged(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    model = Path(shutil.copytree(TINY_MODEL_DIR, tmp_path / "model"))
    config = json.loads((model / "model_config.json").read_text())
    config["sample_size"] = 41 * 2048
    (model / "model_config.json").write_text(json.dumps(config))
    code, output = gate("--model", model, "--bundle", bundles["fp32"].folder)
    assert code == 2
    assert "foreign signature, its tensors are not those of stage 'dit'" in output


@pytest.mark.parametrize(
    ("verb", "more", "first"),
    [("gate", (), "parity.gate.chosen_bundles"), ("pack", ("--bundle", "b", "--out", "kit"), "parity.device.pack.given_bundles")],
    ids=["gate", "pack"],
)
def test_unknown_case_lists_the_valid_before_bundles_are_made(
    verb: str, more: tuple[str, ...], first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first, lambda *_: pytest.fail("bundles are made or read first"))
    result = CliRunner().invoke(app, [verb, *more, "--cases", "guitar"])
    assert result.exit_code == EXIT_NOT_JUDGED
    assert "case guitar is unknown; valid cases: drums, pad" in result.stderr
