"""Paths that no runtime can be told are told to people, by every verb that opens what lies there."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

import litert_pipeline.__main__
import parity.__main__
import reference.__main__
from fixtures import TINY_MODEL_DIR
from litert_pipeline.bundle import MANIFEST_NAME
from reference.spec.errors import InputError
from reference.spec.prompt import Tokenizer

SAID = "this name cannot be told to a runtime, which takes UTF-8 alone; copy it to a path of plain letters, or set PYTHONUTF8=1"
OUT = "out"
# what a verb takes before and after the path
OF_BUNDLES: Mapping[str, tuple[Typer, list[str], list[str]]] = {
    "gate": (parity.__main__.app, ["gate", "--bundle"], []),
    "contents": (parity.__main__.app, ["contents"], []),
    "contract": (parity.__main__.app, ["contract", "--bundle"], []),
    "localize": (parity.__main__.app, ["localize", "--bundle"], ["--stage", "dit"]),
    "describe": (parity.__main__.app, ["describe", "--bundle"], ["--out", OUT]),
    "generate": (litert_pipeline.__main__.app, ["generate", "drums", "--bundle"], ["--out", OUT]),
    "quantize": (litert_pipeline.__main__.app, ["quantize"], ["--recipe", "int8", "--out", OUT]),
}
OF_MODELS: Mapping[str, tuple[Typer, list[str], list[str]]] = {
    "convert": (litert_pipeline.__main__.app, ["convert", "--model"], ["--out", OUT]),
    "gate": (parity.__main__.app, ["gate", "--model"], []),
    "generate": (reference.__main__.app, ["generate", "drums", "--model"], ["--out", OUT]),
}


def said(verb: tuple[Typer, list[str], list[str]], path: Path) -> tuple[int, str]:
    """The exit code, and the one line that says why."""
    app, before, after = verb
    result = CliRunner().invoke(app, [*before, str(path), *after])
    return result.exit_code, result.stderr.splitlines()[-1]


def not_utf8(folder: Path, name: bytes) -> Path:
    return folder / os.fsdecode(name + b"\xff")


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder like a bundle under a name that is no UTF-8; no file of it is opened. The test runs in the folder it is in."""
    monkeypatch.chdir(tmp_path)
    folder = not_utf8(tmp_path, b"b")
    folder.mkdir()
    for name in (MANIFEST_NAME, "conditioner.tflite", "dit.tflite"):
        (folder / name).write_text(name)
    return folder


@pytest.mark.parametrize("verb", OF_BUNDLES)
def test_a_bundle_whose_name_is_no_utf8(verb: str, bundle: Path) -> None:
    code, line = said(OF_BUNDLES[verb], bundle)
    assert (code, SAID in line) == (2, True), line
    assert not Path(OUT).exists()


@pytest.mark.parametrize("verb", sorted(OF_BUNDLES.keys() - {"generate", "quantize"}))  # these take bundles with a manifest alone
def test_a_loose_folder_with_a_file_whose_name_is_no_utf8(verb: str, bundle: Path, tmp_path: Path) -> None:
    (bundle / MANIFEST_NAME).unlink()
    (bundle / "dit.tflite").rename(not_utf8(bundle, b"dit").with_suffix(".tflite"))
    code, line = said(OF_BUNDLES[verb], bundle.rename(tmp_path / "loose"))
    assert (code, SAID in line) == (2, True), line


@pytest.mark.parametrize("verb", OF_MODELS)
def test_a_model_whose_name_is_no_utf8(verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, line = said(OF_MODELS[verb], Path(shutil.copytree(TINY_MODEL_DIR, not_utf8(tmp_path, b"m"))))
    assert (code, f"m\N{REPLACEMENT CHARACTER}: {SAID}" in line) == (2, True), line


def test_a_tokenizer_whose_name_is_no_utf8(tmp_path: Path) -> None:
    path = not_utf8(tmp_path, b"spiece")
    path.write_bytes(b"a vocabulary")
    with pytest.raises(InputError, match=SAID):
        Tokenizer(path, max_length=8)
