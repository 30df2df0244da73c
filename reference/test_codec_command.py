"""`python -m reference codec`: what it writes, what it says, and that a mistake leaves nothing behind."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner, Result

from fixtures.make_codec import WEIGHTS_NAME, make_codec
from reference.__main__ import app
from reference.codec import load_codec, replayed
from reference.spec.audio import read_wav
from reference.spec.codec.limiter import CEILING, limited
from reference.spec.errors import InputError
from reference.spec.noise import MOST_SEED

RATE_HZ, SECONDS = 48000, 0.25
SAMPLES = 11025  # of 0.25 s at the codec's rate: 40.5 frames of 272
WINDOWS = ("--chunked", "--chunk-size", "8", "--overlap", "6")
SAME_NUMBERS = 1e-6  # float32, over windows
PCM_STEP = 2**-15
LAST, LOUDER = ("decoder.layers.3.mapping.weight_g", "decoder.layers.3.mapping.bias"), 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny codec `model`, a stereo `in.wav` and its latents `z.npy`."""
    folder = tmp_path_factory.mktemp("codec")
    make_codec(folder / "model", "same-tiny", seed=0)
    audio = np.random.default_rng(0).normal(0, 0.1, (int(RATE_HZ * SECONDS), 2))
    soundfile.write(folder / "in.wav", audio, RATE_HZ, subtype="FLOAT")
    np.save(folder / "z.npy", np.random.default_rng(1).normal(size=(20, 9)).astype(np.float32))
    return folder


def run(folder: Path, *arguments: object) -> Result:
    return CliRunner().invoke(app, ["codec", *map(str, arguments), "--model", str(folder / "model")])


def test_a_sound_file_becomes_latents(folder: Path, tmp_path: Path) -> None:
    result = run(folder, "encode", folder / "in.wav", tmp_path / "z.npy")
    assert result.output == (
        f"wrote {tmp_path / 'z.npy'} (20 channels x 42 frames; decode with --length {SAMPLES} for the input's length)\n"
    )
    stored = np.load(tmp_path / "z.npy")
    expected = load_codec(folder / "model").codec().encode(*read_wav(folder / "in.wav")).latents[0]
    np.testing.assert_array_equal(stored, expected)


def test_latents_become_a_sound_file(folder: Path, tmp_path: Path) -> None:
    result = run(folder, "decode", folder / "z.npy", tmp_path / "out.wav", "--length", 2000)
    assert result.exit_code == 0
    assert result.output.startswith(f"wrote {tmp_path / 'out.wav'} (0.05 s, 44100 Hz, peak -")
    expected = load_codec(folder / "model").codec().decode(np.load(folder / "z.npy"))[0, :, :2000]
    np.testing.assert_array_equal(read_wav(tmp_path / "out.wav")[0], expected)


def test_there_and_back_keeps_the_length_and_says_how_far_it_is_off(folder: Path, tmp_path: Path) -> None:
    result = run(folder, "roundtrip", folder / "in.wav", tmp_path / "out.wav")
    audio, rate_hz = read_wav(tmp_path / "out.wav")
    assert (audio.shape, rate_hz) == ((2, SAMPLES), 44100)
    assert result.output.splitlines()[-1].startswith("signal over error: ")
    assert result.output.endswith(" dB, at 42 frames\n")


def test_windows_give_the_same_files(folder: Path, tmp_path: Path) -> None:
    for name, options in (("whole", ()), ("windows", WINDOWS)):
        assert run(folder, "roundtrip", folder / "in.wav", tmp_path / f"{name}.wav", *options).exit_code == 0
        assert run(folder, "encode", folder / "in.wav", tmp_path / f"{name}.npy", *options).exit_code == 0
    sounds, latents = ([tmp_path / f"{name}.{kind}" for name in ("whole", "windows")] for kind in ("wav", "npy"))
    np.testing.assert_allclose(*(read_wav(path)[0] for path in sounds), atol=SAME_NUMBERS)
    np.testing.assert_allclose(*(np.load(path) for path in latents), atol=10 * SAME_NUMBERS)  # deviation one, not 0.1


def test_noise_is_replayed_from_a_seed(folder: Path, tmp_path: Path) -> None:
    model, latents = load_codec(folder / "model"), np.load(folder / "z.npy")
    for seed in (0, 7):
        out = tmp_path / f"{seed}.wav"
        assert run(folder, "decode", folder / "z.npy", out, "--noise", "replay", "--seed", seed).exit_code == 0
        np.testing.assert_array_equal(read_wav(out)[0], model.codec(replayed(seed)).decode(latents)[0])


@pytest.mark.parametrize("seed", [-1, MOST_SEED + 1])
def test_a_seed_that_no_noise_has_is_told(seed: int) -> None:
    with pytest.raises(InputError, match=f"seed is {seed}, expected 0 to {MOST_SEED}"):
        replayed(seed)


def test_peaks_are_turned_down_or_clipped(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "model", tmp_path / "model")
    state = load_file(folder / "model" / WEIGHTS_NAME)
    louder = {name: tensor * LOUDER if name.startswith(LAST) else tensor for name, tensor in state.items()}
    save_file(louder, tmp_path / "model" / WEIGHTS_NAME)
    said = {}
    for name, options in {"raw": (), "limited": ("--limit",), "pcm": ("--encoding", "pcm16")}.items():
        said[name] = run(tmp_path, "decode", folder / "z.npy", tmp_path / f"{name}.wav", *options).output
    raw, turned_down, pcm = (read_wav(tmp_path / f"{name}.wav")[0] for name in said)
    assert np.abs(raw).max() > 1
    np.testing.assert_array_equal(turned_down, limited(raw))
    np.testing.assert_allclose(pcm, np.clip(raw, -1, 1 - PCM_STEP), atol=PCM_STEP)
    assert np.abs(turned_down).max() <= CEILING * 1.000001
    assert [text.count("clipped") for text in said.values()] == [0, 0, 1]
    assert "peak -0.2 dBFS)" in said["limited"]


def test_channels_beyond_two_are_told(folder: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "three.wav", np.zeros((500, 3)), 44100)
    result = run(folder, "encode", tmp_path / "three.wav", tmp_path / "z.npy")
    assert result.output.splitlines()[0] == f"{tmp_path / 'three.wav'} has 3 channels; the first two are encoded"


MISTAKES = {
    "no sound file": (("encode", "{in}/gone.wav", "{out}/z.npy"), "{in}/gone.wav: cannot be read (No such file or directory)"),
    "no latents": (("decode", "{in}/in.wav", "{out}/o.wav"), "{in}/in.wav: not a readable .npy file"),
    "odd windows": (
        ("encode", "{in}/in.wav", "{out}/z.npy", "--chunked", "--chunk-size", "9"), "chunk_size is 9 latent frames",
    ),
    "windows of no effect": (
        ("roundtrip", "{in}/in.wav", "{out}/o.wav", "--overlap", "8"), "chunk_size and overlap have no effect",
    ),
    "longer than there is": (
        ("decode", "{in}/z.npy", "{out}/o.wav", "--length", "9999"), "length is 9999 samples, expected 1 to 2448",
    ),
    "unknown encoding": (("decode", "{in}/z.npy", "{out}/o.wav", "--encoding", "mp3"), "encoding 'mp3' is unknown"),
    "unknown noise": (("decode", "{in}/z.npy", "{out}/o.wav", "--noise", "pink"), "noise 'pink' is unknown"),
    "a seed of no effect": (("decode", "{in}/z.npy", "{out}/o.wav", "--seed", "1"), "seed has no effect without noise"),
    "something there": (("encode", "{in}/in.wav", "{in}/z.npy"), "{in}/z.npy: already exists"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing(folder: Path, tmp_path: Path, name: str) -> None:
    arguments, words = MISTAKES[name]
    places = {"in": str(folder), "out": str(tmp_path)}
    before = (folder / "z.npy").read_bytes()
    result = run(folder, *(argument.format_map(places) for argument in arguments))
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {words.format_map(places)}")
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
    assert (folder / "z.npy").read_bytes() == before


def test_something_there_is_replaced_where_that_is_asked_for(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out.wav").write_bytes(b"old")
    assert run(folder, "decode", folder / "z.npy", tmp_path / "out.wav", "--force").exit_code == 0
    assert read_wav(tmp_path / "out.wav")[0].shape == (2, 9 * 272)


def test_a_codec_alone_generates_nothing(folder: Path, tmp_path: Path) -> None:
    arguments = ["generate", "birds", "--out", str(tmp_path / "out.wav"), "--model", str(folder / "model")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "is of a codec alone, which generates nothing; code audio with 'python -m reference codec'" in result.stderr
