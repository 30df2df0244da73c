"""A folder that somebody else converted is described once, and generates like a bundle of ours from then on."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from fixtures import TINY_MODEL_DIR
from fixtures.make_codec import CODECS
from litert_pipeline.__main__ import app as litert
from litert_pipeline.bundle import Bundle
from parity.__main__ import app
from parity.meta_tests.device.arm_app import PROMPT
from parity.meta_tests.of_tiny import OF_TINY
from reference.pipeline import load_model
from reference.spec.audio import read_wav
from reference.spec.codec_config import read_codec_spec
from reference.spec.errors import EXIT_NOT_JUDGED, EXIT_OK
from reference.spec.generation import Request, generate
from reference.spec.noise import open_noise

NEAR = 1e-3  # relative: float32 in two runtimes, over eight steps that amplify it


def run(commands: Any, *words: object) -> tuple[int, str]:
    result = CliRunner().invoke(commands, [str(word) for word in words])
    return result.exit_code, " ".join((result.output + str(result.exception or "")).split())


def test_it_generates_what_the_reference_does(positional: Path, tmp_path: Path) -> None:
    described, sound = tmp_path / "described.json", tmp_path / "out.wav"
    code, output = run(app, "describe", *OF_TINY, "--bundle", positional, "--out", described)
    assert code == EXIT_OK, output
    assert "dit: dit_model.tflite; takes x as args_" in output
    code, output = run(litert, "generate", PROMPT, "--bundle", positional, "--described", described, "--out", sound)
    assert code == EXIT_OK, output
    pipeline = load_model(TINY_MODEL_DIR).pipeline()
    noise = open_noise("philox", pipeline.latent_shape, 0)
    expected = generate(pipeline, Request(prompt=PROMPT, seconds=10.0), noise)["audio"][0]
    found, _ = read_wav(sound)
    assert np.linalg.norm(found - expected) <= NEAR * np.linalg.norm(expected)


def test_what_has_a_manifest_needs_no_description(bundles: dict[str, Bundle], tmp_path: Path) -> None:
    code, output = run(app, "describe", *OF_TINY, "--bundle", bundles["fp32"].folder, "--out", tmp_path / "described.json")
    assert code == EXIT_NOT_JUDGED
    assert "has a manifest, which 'generate' reads by itself" in output
    assert not (tmp_path / "described.json").exists()


def test_a_codec_generates_nothing(bundles: dict[str, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of one may hold several precisions."""
    config = tmp_path / "model_config.json"
    config.write_text(json.dumps(CODECS["same-tiny"]))
    shape = read_codec_spec(config).shape
    one = replace(bundles["fp32"], manifest=replace(bundles["fp32"].manifest, source=None, codec=shape))
    monkeypatch.setattr("parity.bundles.given.given_bundles", lambda *_: [one, one])
    code, output = run(app, "describe", *OF_TINY, "--bundle", one.folder, "--out", tmp_path / "described.json")
    assert code == EXIT_NOT_JUDGED
    assert "is a codec's, which generates nothing" in output
    assert not (tmp_path / "described.json").exists()


@pytest.mark.parametrize("text", [None, "", "[]", '{"stages": {}}'], ids=["missing", "empty", "a list", "half"])
def test_what_describes_nothing_is_told_in_one_line(positional: Path, tmp_path: Path, text: str | None) -> None:
    described = tmp_path / "described.json"
    if text is not None:
        described.write_text(text)
    given = ("--bundle", positional, "--described", described, "--out", tmp_path / "out.wav")
    code, output = run(litert, "generate", PROMPT, *given)
    assert code == EXIT_NOT_JUDGED
    assert "what 'python -m parity describe'" in output
