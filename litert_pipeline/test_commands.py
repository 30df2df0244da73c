"""Generating from the command lines of both pipelines: they agree, and they refuse bad input without leaving anything behind."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from typer import Typer
from typer.testing import CliRunner

import litert_pipeline.__main__
import reference.__main__
from fixtures import TINY_MODEL_DIR
from litert_pipeline.bundle import Bundle
from parity.measure import metrics
from parity.measure.limits import FLOAT
from reference.pipeline import load_model
from reference.spec.audio import read_wav
from reference.spec.files import sha256_of
from reference.spec.generation import Request, generate
from reference.spec.noise import philox

REFERENCE, LITERT = reference.__main__.app, litert_pipeline.__main__.app
MODEL = {REFERENCE: ("--model", str(TINY_MODEL_DIR)), LITERT: ()}  # a bundle says itself what it is of
PROMPT = "tight drum loop, 120 BPM"
TWO_FLOAT_RUNS = 2e-5  # between two float32 runs of 8 steps; measured up to 4e-6 (audio of a bad init recording)
TRACE_KEYS = {
    "input_ids", "attention_mask", "seconds_total", "cross_attention_cond", "global_cond", "levels", "latents", "audio",
    *(f"{name}_{step}" for name in ("noise", "x", "v", "denoised") for step in range(8)),
}  # fmt: skip


def call(app: Typer, verb: str, *arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, [verb, *MODEL[app], *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_both_pipelines_generate_the_same(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    """Same prompt, seed and noise: the traces are no further apart than the reference's rounding plus the float budget."""
    names = {REFERENCE: "reference", LITERT: "litert"}
    for app, name in names.items():
        extra = ["--bundle", bundles["fp32"].folder] if app is LITERT else []
        files = ["--out", tmp_path / f"{name}.wav", "--trace", tmp_path / f"{name}.npz"]
        code, output = call(app, "generate", PROMPT, "--seconds", "1.5", *extra, *files)
        assert code == 0, output
        assert f"{name}.wav (1.86 s, 44100 Hz)" in output
    ours, theirs = (np.load(tmp_path / f"{name}.npz") for name in names.values())
    assert set(ours.files) == set(theirs.files) == TRACE_KEYS
    for key in ("input_ids", "attention_mask", "seconds_total", "levels", *(f"noise_{i}" for i in range(8))):
        assert np.array_equal(ours[key], theirs[key]), key
    exact = load_model(TINY_MODEL_DIR).to(torch.float64).pipeline()
    truth = generate(exact, Request(prompt=PROMPT, seconds=1.5), philox(exact.latent_shape, 0))
    for key in ("cross_attention_cond", "global_cond", *(f"v_{step}" for step in range(8)), "latents", "audio"):
        rounding = metrics.relative_l2(truth[key], ours[key])
        apart = metrics.relative_l2(truth[key], truth[key] + theirs[key].astype(np.float64) - ours[key])
        assert apart <= rounding + FLOAT.limits(rounding)[1], key
    audio, rate_hz = read_wav(tmp_path / "litert.wav")
    assert rate_hz == 44_100
    assert np.array_equal(audio, theirs["audio"][0])


MORE_OPTIONS: dict[str, tuple[list[str], set[str]]] = {
    "audio-to-audio": (["--init-audio", "INIT", "--init-noise-level", "0.6"], {"init_latents"}),
    "guidance": (
        ["--cfg-scale", "2", "--negative-prompt", "noise", "--scale-phi", "0.5"],
        {"negative_cross_attention_cond"},
    ),
    "euler, audiogen's noise": (["--sampler", "euler", "--noise", "audiogen-libcxx-arm64"], set()),
    "torch's noise": (["--noise", "torch", "--steps", "3"], set()),
}


@pytest.mark.parametrize("name", MORE_OPTIONS)
def test_both_pipelines_agree_on_every_way_to_generate(
    bundles: Mapping[str, Bundle], tmp_path: Path, name: str
) -> None:
    options, keys = MORE_OPTIONS[name]
    recording = np.random.Generator(np.random.Philox(2)).standard_normal((30_000, 1)) * 0.1
    soundfile.write(tmp_path / "init.wav", recording, 32_000, subtype="PCM_16")
    options = [str(tmp_path / "init.wav") if word == "INIT" else word for word in options]
    for app, extra in ((REFERENCE, []), (LITERT, ["--bundle", bundles["fp32"].folder])):
        files = [
            "--out",
            tmp_path / "a.wav",
            "--force",
            "--trace",
            tmp_path / f"{'litert' if extra else 'reference'}.npz",
        ]
        code, output = call(app, "generate", PROMPT, "--seconds", "1.5", *options, *extra, *files)
        assert code == 0, output
    ours, theirs = (np.load(tmp_path / f"{pipeline}.npz") for pipeline in ("reference", "litert"))
    assert set(ours.files) == set(theirs.files) >= keys
    for key in ours.files:
        if ours[key].dtype.kind == "f" and ours[key].any():
            assert metrics.relative_l2(ours[key], theirs[key]) <= TWO_FLOAT_RUNS, key
        else:
            assert np.array_equal(ours[key], theirs[key]), key


def test_init_audio_needs_a_bundle_with_an_encoder(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(bundles["fp32"].folder, tmp_path / "bundle"))
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["stages"]["encoder"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    soundfile.write(tmp_path / "init.wav", np.zeros((10, 2)), 44_100)
    arguments = ["generate", PROMPT, "--bundle", folder, "--out", tmp_path / "a.wav"]
    code, output = call(LITERT, *arguments, "--init-audio", tmp_path / "init.wav")
    assert code == 2
    assert "has no encoder, which init audio needs" in output
    assert call(LITERT, *arguments)[0] == 0


def test_trimmed_pcm_is_as_long_as_asked(tmp_path: Path) -> None:
    out = tmp_path / "a.wav"
    code, output = call(
        REFERENCE, "generate", PROMPT, "--seconds", "0.5", "--trim", "--encoding", "pcm24", "--out", out
    )
    assert code == 0
    assert "a.wav (0.50 s, 44100 Hz)" in output
    with soundfile.SoundFile(out) as written:
        assert (written.subtype, written.frames, written.channels) == ("PCM_24", 22_050, 2)


@pytest.mark.parametrize("init", [False, True], ids=["from noise", "audio-to-audio"])
def test_a_saved_trace_replays_its_noise(tmp_path: Path, init: bool) -> None:
    first, again = tmp_path / "first.wav", tmp_path / "again.wav"
    soundfile.write(tmp_path / "init.wav", np.zeros((10, 2)), 44_100)
    options = ["--init-audio", tmp_path / "init.wav"] if init else []
    arguments = ["generate", PROMPT, *options]
    assert call(REFERENCE, *arguments, "--seed", "5", "--out", first, "--trace", tmp_path / "t.npz")[0] == 0
    assert call(REFERENCE, *arguments, "--noise", tmp_path / "t.npz", "--out", again)[0] == 0
    assert sha256_of(first) == sha256_of(again)


@pytest.mark.parametrize("sampler", ["euler", "dpmpp", "rk4"])
def test_every_sampler_generates(tmp_path: Path, sampler: str) -> None:
    out = tmp_path / "a.wav"
    assert call(REFERENCE, "generate", PROMPT, "--sampler", sampler, "--steps", "4", "--out", out)[0] == 0
    audio, _ = read_wav(out)
    assert np.isfinite(audio).all()
    assert audio.any()


def test_generating_with_a_bundle_never_imports_torch(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    out = tmp_path / "a.wav"
    arguments = ["generate", PROMPT, "--bundle", str(bundles["int8"].folder), "--out", str(out)]
    code = f"import sys; sys.modules['torch'] = None; from litert_pipeline.__main__ import app; app({arguments})"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert out.stat().st_size == 44 + 2 * 81920 * 4


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "silence.wav"
    soundfile.write(path, np.zeros((10, 2)), 44_100)
    return path


BAD_OPTIONS = {
    "steps zero": (["--steps", "0"], "steps is 0, expected at least 1"),
    "steps negative": (["--steps", "-2"], "steps is -2"),
    "seconds negative": (["--seconds", "-1"], "seconds is -1.0, expected a finite number"),
    "seconds nan": (["--seconds", "nan"], "seconds is nan"),
    "unknown sampler": (["--sampler", "heun"], "valid samplers of flow models: pingpong, euler, dpmpp, rk4; of v models"),
    "unknown noise": (["--noise", "brown"], "valid: philox"),
    "missing noise file": (["--noise", "none.npz"], "no such file"),
    "negative seed": (["--seed", "-1"], "seed is -1"),
    "unknown encoding": (["--encoding", "mp3"], "valid encodings: float32, pcm16, pcm24"),
    "missing init audio": (["--init-audio", "none.wav"], "none.wav: cannot be read"),
    "negative prompt unused": (["--negative-prompt", "noise"], "no effect at cfg_scale 1"),
    "init noise level alone": (["--init-noise-level", "0.5"], "no effect without init audio"),
    "init noise level": (["--init-audio", "SOUND", "--init-noise-level", "1.5"], "init_noise_level is 1.5, expected 0 to 1"),
    "guidance interval": (["--cfg-interval", "0.8", "0.2"], "in rising order"),
    "guidance nan": (["--cfg-scale", "nan"], "cfg_scale is nan"),
    "guidance beyond float32": (["--cfg-scale", "1e300"], "cfg_scale is 1e+300, expected a finite number in the range"),
    "seconds beyond float32": (["--seconds", "1e300"], "seconds is 1e+300, expected a finite number, 0 or more, in the range"),
    "sound of no numbers": (["--cfg-scale", "1e30"], "a.wav: not written, for the sound holds values that are no numbers"),
    "sound of no numbers in PCM": (["--cfg-scale", "1e30", "--encoding", "pcm16"], "a.wav: not written, for the sound holds"),
    "sound of no numbers, traced": (["--cfg-scale", "1e30", "--trace", "TRACE"], "a.wav: not written, for the sound holds"),
    "rescale": (["--cfg-scale", "2", "--scale-phi", "1.5"], "scale_phi is 1.5"),
}


@pytest.mark.parametrize("name", BAD_OPTIONS)
@pytest.mark.parametrize("app", [REFERENCE, LITERT], ids=["reference", "litert"])
def test_bad_options_are_refused(
    bundles: Mapping[str, Bundle], tmp_path: Path, sound: Path, app: Typer, name: str
) -> None:
    options, words = BAD_OPTIONS[name]
    paths = {"SOUND": sound, "TRACE": tmp_path / "a.npz"}
    options = [str(paths.get(word, word)) for word in options]
    extra = ["--bundle", bundles["fp32"].folder] if app is LITERT else []
    code, output = call(app, "generate", PROMPT, "--out", tmp_path / "a.wav", *extra, *options)
    assert code == 2
    assert words in output
    assert output.startswith("error: ")
    assert list(tmp_path.iterdir()) == []


def test_what_leaves_float32_on_the_way_is_no_warning(tmp_path: Path) -> None:
    """Tests make errors of warnings: a deviation overflows, and what is scaled by it is a number again."""
    guided = ("--cfg-scale", "1e30", "--scale-phi", "1", "--steps", "3")
    code, output = call(REFERENCE, "generate", PROMPT, "--out", tmp_path / "a.wav", *guided)
    assert code == 0, output


def test_existing_output_is_kept_without_force(tmp_path: Path) -> None:
    out = tmp_path / "a.wav"
    out.write_text("mine")
    code, output = call(REFERENCE, "generate", PROMPT, "--out", out)
    assert code == 2
    assert "already exists; choose another path or pass --force" in output
    assert out.read_text() == "mine"
    assert call(REFERENCE, "generate", PROMPT, "--out", out, "--force")[0] == 0
    assert out.read_bytes().startswith(b"RIFF")


@pytest.mark.parametrize("arguments", [
    ("generate", PROMPT, "--out", "/proc/a.wav"), ("generate", PROMPT, "--out", "/dev/null/a.wav"),
], ids=["unwritable", "not a folder"])  # fmt: skip
def test_unwritable_folder_is_refused(arguments: tuple[str, ...]) -> None:
    code, output = call(REFERENCE, *arguments)
    assert code == 2
    assert output.startswith("error: ")
    assert len(output.splitlines()) == 1
