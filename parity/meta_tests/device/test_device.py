"""A device's WAV: accepted from an independent run of the app's algorithm, refused with the cause where anything differs."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from fixtures import TINY_MODEL_DIR
from litert_pipeline.bundle import Bundle
from parity.__main__ import app
from parity.device.causes import _moved, _shift, level_ratio
from parity.device.recording import Recording
from parity.device.verify import MIXES
from parity.meta_tests.device.arm_app import PROMPT, RATE_HZ, SCALE, SEED, Asked, compiled, run_app
from parity.meta_tests.more import few
from reference.pipeline import load_model
from reference.spec.audio import read_wav, write_wav
from reference.spec.generation import Request, generate
from reference.spec.noise import open_noise
from reference.spec.tensors import Array

SAME_LEVEL = 2e-3  # of two seconds of noise, which have a level of their own
UNIT = 2.0**-15 + 1e-9  # of 16-bit samples, and what float32 adds
OTHER = "a dog barks twice"
NOISE = "audiogen-libstdcxx"
@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("app"))


Made = Callable[..., Array]


@pytest.fixture(scope="module")
def device(program: Path, bundles: Mapping[str, Bundle]) -> Made:
    """The app's loop around the INT8 bundle; nothing of the project's sampler or noise takes part."""
    bundle = bundles["int8"]
    made: dict[Asked, Array] = {}

    def run(**options: Any) -> Array:
        asked = Asked(**options)
        if asked not in made:
            made[asked] = run_app(program, bundle, asked)
        return made[asked]

    return run


def verify(wav: Path, *options: str, model: Path = TINY_MODEL_DIR, prompt: str = PROMPT) -> tuple[int, str]:
    request = ["--prompt", prompt, "--seed", str(SEED), "--noise", NOISE, "--model", str(model)]
    result = CliRunner().invoke(app, ["verify-wav", str(wav), *request, *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, " ".join(result.output.split())


# How a right sound may be written.
WRITERS: dict[str, Callable[[Path, Array], object]] = {
    "float": lambda path, audio: write_wav(path, audio, RATE_HZ),
    "int16": lambda path, audio: soundfile.write(path, audio.T, RATE_HZ, subtype="PCM_16"),
    "int16, cut off below": lambda path, audio: soundfile.write(path, np.trunc(audio.T * 32768).astype(np.int16), RATE_HZ),
    "trimmed": lambda path, audio: write_wav(path, audio[:, :RATE_HZ], RATE_HZ),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_what_the_app_makes_is_accepted(device: Made, tmp_path: Path, writer: str) -> None:
    WRITERS[writer](tmp_path / "out.wav", device())
    code, output = verify(tmp_path / "out.wav")
    assert code == 0, output
    assert "FAIL" not in output


# What a device may do wrong, and what has to be said of it.
WRONG: dict[str, tuple[Callable[[Made], Array], str]] = {
    "the next seed": (lambda made: made(seed=SEED + 1), "it is what seed 100 makes, not 99; look at the seed"),
    "a seed far away": (lambda made: made(seed=12_345), "is not in it; look at the seed"),
    "another prompt": (lambda made: made(prompt=OTHER), "so it was another prompt, other seconds, or other weights"),
    "Euler": (lambda made: made(euler=True), "it is what 'euler' makes of the request, not 'pingpong'; look at the sampler"),
    "fewer steps": (lambda made: made(steps=4), "it is what 4 steps make of the request, not 8; look at the sampler"),
    "guided": (lambda made: made(scale=SCALE), "it is guided, by a scale of 6 in the place of 1; look at the guidance"),
    "wide ids": (lambda made: made(narrow=True), "int64 ids are read as int32, so that every other one is 0; look at"),
    "swapped channels": (lambda made: made()[::-1], "left and right are swapped; look at the WAV writer"),
    "one channel twice": (lambda made: made()[[0, 0]], "both channels hold the left one"),
    "inverted": (lambda made: -made(), "the sound is inverted"),
    "quiet": (lambda made: made() / 2, "all samples are multiplied by 0.499|all samples are multiplied by 0.5; look"),
    "late": (lambda made: _moved(made(), 11), "the sound is 11 samples late"),
    "clicks": (lambda made: clicking(made()), "single samples leap in 4 places, the first at 0.250 s; look at the WAV writer"),
    "clipped": (lambda made: np.clip(made(), -0.3, 0.3), "samples beyond 0.3 are clipped"),
    "mono": (lambda made: made()[:1], "it has 1 channel, the model makes 2"),
    "too long": (lambda made: np.concatenate([made(), made()], axis=1), "samples long, the model makes"),
}


# Each of these looks through a generation per seed, prompt or scale; the others of its kind stand for it.
LONG = {"a seed far away", "another prompt", "guided", "Euler"}


@pytest.mark.parametrize("kind", few(WRONG, WRONG.keys() - LONG))
def test_what_was_different_is_named(device: Made, tmp_path: Path, kind: str) -> None:
    change, sentence = WRONG[kind]
    write_wav(tmp_path / "out.wav", change(device), RATE_HZ)
    code, output = verify(tmp_path / "out.wav")
    assert code == 1
    told = output.replace("(", " (").split("not the model's: ")[1]
    assert any(words in _without_figures(told) for words in sentence.split("|")), told


def clicking(audio: Array) -> Array:
    """0.3 every half second on one sample of both channels."""
    clicks = np.zeros_like(audio)
    clicks[:, RATE_HZ // 4 :: RATE_HZ // 2] = 0.3
    return audio + clicks


@pytest.mark.parametrize("precision", few(MIXES, {"int8"}))
def test_the_limit_of_clicks_is_above_what_right_sounds_leap(precision: str, device: Made, tmp_path: Path) -> None:
    """At every precision, though only INT8's is what the device computed in."""
    write_wav(tmp_path / "out.wav", device(), RATE_HZ)
    _, output = verify(tmp_path / "out.wav", "--precision", precision)
    assert "ok decoder/device/out.wav, free-running: worst_click" in output


def test_a_prompt_that_was_not_cut_is_named(tmp_path: Path) -> None:
    """By a model whose config gives the conditioner twice the room."""
    roomy = Path(shutil.copytree(TINY_MODEL_DIR, tmp_path / "roomy"))
    config = json.loads((roomy / "model_config.json").read_text())
    (t5,) = [part["config"] for part in config["model"]["conditioning"]["configs"] if part["type"] == "t5"]
    limit, t5["max_length"] = t5["max_length"], 2 * t5["max_length"]
    (roomy / "model_config.json").write_text(json.dumps(config))
    pipeline, prompt = load_model(roomy).pipeline(), " ".join(["drum"] * limit)
    audio = generate(pipeline, Request(prompt=prompt, seconds=10.0), open_noise(NOISE, pipeline.latent_shape, SEED))["audio"][0]
    write_wav(tmp_path / "out.wav", audio, RATE_HZ)
    code, output = verify(tmp_path / "out.wav", "--precision", "fp32", prompt=prompt)
    assert code == 1
    assert f"the conditioner took {2 * limit} tokens, the model is given {limit}; look at the tokenizer" in output


def test_seconds_are_given_as_the_app_is_given_them(tmp_path: Path) -> None:
    code, output = verify(tmp_path / "missing.wav", "-l", "4")
    assert (code, "missing.wav" in output) == (2, True), output


def _without_figures(text: str) -> str:
    """The sentence without what stands in parentheses."""
    import re

    return re.sub(r"\s*\([^)]*\)", "", text).replace(":", ";").replace("; it was another seed, or noise of another kind", "")


def test_another_library_s_noise_is_named(device: Made, tmp_path: Path) -> None:
    write_wav(tmp_path / "out.wav", device(), RATE_HZ)
    code, output = verify(tmp_path / "out.wav", "--noise", "audiogen-libcxx-arm64")
    assert code == 1
    assert "its noise is 'audiogen-libstdcxx' of seed 99" in output


def test_a_wrong_rate_is_named(device: Made, tmp_path: Path) -> None:
    write_wav(tmp_path / "out.wav", device(), 48000)
    code, output = verify(tmp_path / "out.wav")
    assert code == 1
    assert "its header says 48000 Hz, the model makes 44100 Hz" in output


def test_int16_that_clips_a_loud_model_is_named(tmp_path: Path) -> None:
    """A model louder than full scale: a float WAV keeps it, a 16-bit one cannot."""
    model = loud_model(tmp_path)
    pipeline = load_model(model).pipeline()
    noise = open_noise(NOISE, pipeline.latent_shape, SEED)
    audio = generate(pipeline, Request(prompt=PROMPT, seconds=10.0), noise)["audio"][0]
    assert np.abs(audio).max() > 1
    write_wav(tmp_path / "float.wav", audio, RATE_HZ)
    write_wav(tmp_path / "int16.wav", audio, RATE_HZ, encoding="pcm16")
    assert verify(tmp_path / "float.wav", model=model)[0] == 0
    code, output = verify(tmp_path / "int16.wav", model=model)
    assert code == 1
    assert "samples beyond 1 are clipped" in output
    assert "look at the WAV writer" in output


def loud_model(folder: Path) -> Path:
    """The tiny model with an output four times as high."""
    model = Path(shutil.copytree(TINY_MODEL_DIR, folder / "loud"))
    state = load_file(model / "model.safetensors")
    state["pretransform.model.decoder.layers.7.weight_g"] = 4 * state["pretransform.model.decoder.layers.7.weight_g"]
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, model / "model.safetensors")
    assert torch.isfinite(state["pretransform.model.decoder.layers.7.weight_g"]).all()
    return model


BAD = {
    "missing": (lambda path: None, "cannot be read"),
    "text": (lambda path: path.write_text("RIFF"), "not a readable sound file"),
    "too short": (lambda path: write_wav(path, np.zeros((2, 100), np.float32), RATE_HZ), "sounds are compared over"),
    "not a number": (lambda path: write_wav(path, np.full((2, RATE_HZ), np.nan, np.float32), RATE_HZ), "holds NaN"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_sound_is_told_in_one_line(tmp_path: Path, kind: str) -> None:
    make, told = BAD[kind]
    make(tmp_path / "out.wav")
    code, output = verify(tmp_path / "out.wav")
    assert code == 2
    assert told in output


def test_an_unknown_precision_is_told(tmp_path: Path) -> None:
    code, output = verify(tmp_path / "out.wav", "--precision", "int3")
    assert code == 2
    assert "valid: fp32, fp16, int8" in output


@given(st.integers(min_value=-200, max_value=200))
def test_a_shift_is_found_to_the_sample(shift: int) -> None:
    audio = np.random.Generator(np.random.Philox(0)).standard_normal((2, 2000))
    moved = _moved(audio, shift) if shift else audio
    assert _shift(audio[0], moved[0], 300) == shift


@pytest.mark.parametrize("gain", [0.5, -1.0, 2.0])
@pytest.mark.parametrize("decorrelation", [0.0, 0.003, 0.1])
def test_a_gain_is_found_in_a_sound_that_differs_a_little(gain: float, decorrelation: float) -> None:
    """INT8 decorrelates; the level it leaves alone, and so does the gain that is named."""
    draws = np.random.Generator(np.random.Philox(0))
    audio, other = draws.standard_normal((2, 2, RATE_HZ))
    kept = 1 - decorrelation
    made = kept * audio + np.sqrt(1 - kept**2) * other
    assert level_ratio(audio, gain * made) == pytest.approx(gain, rel=SAME_LEVEL)


def test_every_way_to_store_is_within_one_unit(tmp_path: Path) -> None:
    audio = np.random.Generator(np.random.Philox(0)).uniform(-0.9, 0.9, (2, RATE_HZ))
    soundfile.write(tmp_path / "a.wav", audio.T, RATE_HZ, subtype="PCM_16")
    found, rate_hz = read_wav(tmp_path / "a.wav")
    ways = Recording(audio=found, rate_hz=rate_hz, step=2.0**-15).stored(audio)
    assert min(float(np.abs(way - found).max()) for way in ways) <= UNIT
    assert max(float(np.abs(way - audio).max()) for way in ways) <= 2 * UNIT


def test_a_little_clipping_is_seen_where_the_precision_would_excuse_the_rest(device: Made, tmp_path: Path) -> None:
    """Too little for any distance at INT8: what gives it away is that the sound stays at its highest level."""
    write_wav(tmp_path / "out.wav", np.clip(device(), -0.5, 0.5), RATE_HZ)
    code, output = verify(tmp_path / "out.wav")
    assert code == 1
    assert output.count("FAIL") == 1
    assert "samples beyond 0.5 are clipped" in output
