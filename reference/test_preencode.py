"""A data set encoded for training: upstream's files where upstream is right, and a report where it is not."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from fixtures.data_set import GOOD, RATE_HZ, REJECTED, write_data_set
from fixtures.make_codec import make_codec
from reference.__main__ import app
from reference.codec import load_codec
from reference.spec.audio import read_wav
from reference.spec.codec.codec import Codec
from reference.spec.codec.dataset import open_sound
from reference.spec.codec.items import Items, PreEncoding
from reference.spec.codec.preencode import PreEncoder
from reference.spec.codec.recipe import Recipe, Shard
from reference.spec.codec.resample import resampled
from reference.spec.codec.verbs import Windows
from reference.spec.codec.waveforms import with_channels
from reference.spec.tensors import Array

RATIO = 272  # of the tiny codecs
SAMPLE_SIZE = 40 * RATIO - 100  # a window of 40 frames
SAME_NUMBERS = 3e-6  # float32, latents of deviation one, other sequences
HALF_STEP = 2e-3  # of float16 at 4
KEYS = [
    "path", "relpath", "timestamps", "seconds_start", "seconds_total", "padding_mask", "sample_rate", "load_time", "prompt"
]  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_data_set(folder)
    return folder


@pytest.fixture(scope="module", params=["same-tiny", "same-tiny-l"])
def codec(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Codec:
    folder = tmp_path_factory.mktemp("model") / "model"
    make_codec(folder, request.param, seed=0)
    return load_codec(folder).codec()


def encoder(codec: Codec, data: Path, out: Path, **recipe: Any) -> PreEncoder:
    windows = Windows(chunked=True, chunk_size=16, overlap=8)
    shared = Recipe(**{"weights": "w", "sample_size": SAMPLE_SIZE, **recipe})
    plan = PreEncoding(windows=windows, recipe=shared, data=data, out=out)
    return PreEncoder(shape=codec.shape, plan=plan, hands=Items(codec=codec, plan=plan))


def quiet(text: str) -> None:
    """Nobody listens."""


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def heard(path: Path) -> Array:
    """A file as the codec takes it, whole."""
    audio, rate_hz = read_wav(path)
    return np.clip(with_channels(resampled(audio, rate_hz, RATE_HZ), 2), -1, 1)


def upstream_latents(codec: Codec, audio: Array) -> Array:
    """The way upstream gets them: silence up to the window, all of it encoded."""
    window = np.zeros((2, SAMPLE_SIZE), np.float32)
    window[:, : audio.shape[1]] = audio[:, :SAMPLE_SIZE]
    return codec.encode(window, RATE_HZ).latents[0]


def valid(audio: Array) -> int:
    return -(-min(audio.shape[1], SAMPLE_SIZE) // RATIO)


def test_files_that_can_be_taken_are_upstream_s_and_the_others_are_told(codec: Codec, data: Path, tmp_path: Path) -> None:
    told: list[str] = []
    manifest = encoder(codec, data, tmp_path / "out").run(Shard(), told.append)
    assert json.loads((tmp_path / "out" / "manifest.json").read_text()) == manifest
    assert [item["relpath"] for item in manifest["items"].values()] == GOOD
    assert manifest["rejected"].keys() == REJECTED.keys()
    assert all(reason.startswith(REJECTED[name]) for name, reason in manifest["rejected"].items())
    assert len(told) == len(REJECTED)
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {"manifest.json", "silence.npy"} | {f"{n}.{kind}" for n in manifest["items"] for kind in ("npy", "json")}
    for name, item in manifest["items"].items():
        latents, audio = np.load(tmp_path / "out" / f"{name}.npy"), heard(data / item["relpath"])
        assert (latents.dtype, latents.shape) == (np.float32, (20, valid(audio)))
        np.testing.assert_allclose(latents, upstream_latents(codec, audio)[:, : valid(audio)], atol=SAME_NUMBERS)


def test_what_is_noted_of_an_item(codec: Codec, data: Path, tmp_path: Path) -> None:
    manifest = encoder(codec, data, tmp_path).run(Shard(), quiet)
    noted = {item["relpath"]: json.loads((tmp_path / f"{name}.json").read_text()) for name, item in manifest["items"].items()}
    assert all(list(sidecar) == KEYS for sidecar in noted.values())
    short, cut = noted["b/mono.wav"], noted["c long.wav"]
    assert (short["prompt"], short["path"]) == ("about b/mono.wav", str(data / "b/mono.wav"))
    assert (short["timestamps"], short["seconds_start"], short["seconds_total"]) == ([0.0, 1.0], 0, 1)
    assert (short["sample_rate"], short["padding_mask"]) == (RATE_HZ, [1] * 7)
    length = -(-30000 * 147 // 160)
    assert cut["timestamps"] == [0.0, SAMPLE_SIZE / length]
    assert cut["padding_mask"] == [1] * 40


@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
def test_padded_items_have_the_frames_of_the_window(codec: Codec, data: Path, tmp_path: Path, half: bool) -> None:
    manifest = encoder(codec, data, tmp_path, pad=True, batch_size=3, half=half).run(Shard(), quiet)
    assert list(manifest["items"]) == ["0000000000", "0000000002", "0000010001", "0000010002", "0000020000"]
    kind, tolerance = (np.float16, HALF_STEP) if half else (np.float32, SAME_NUMBERS)
    silence = np.load(tmp_path / "silence.npy")
    assert (silence.dtype, silence.shape) == (kind, (1, 20, 40))
    np.testing.assert_allclose(silence[0], upstream_latents(codec, np.zeros((2, 1))), atol=tolerance)
    for name, item in manifest["items"].items():
        latents, audio = np.load(tmp_path / f"{name}.npy"), heard(data / item["relpath"])
        assert (latents.dtype, latents.shape) == (kind, (20, 40))
        np.testing.assert_allclose(latents, upstream_latents(codec, audio), atol=tolerance)
        mask = json.loads((tmp_path / f"{name}.json").read_text())["padding_mask"]
        assert mask == [1] * valid(audio) + [0] * (40 - valid(audio))


def test_what_is_too_long_is_split_where_that_is_asked_for(codec: Codec, data: Path, tmp_path: Path) -> None:
    manifest = encoder(codec, data, tmp_path, split=True).run(Shard(), quiet)
    names = [name for name, item in manifest["items"].items() if item["relpath"] == "c long.wav"]
    audio = heard(data / "c long.wav")
    assert [name[6:] for name in names] == ["0000", "0001", "0002"]
    ends = []
    for piece, name in enumerate(names):
        part = audio[:, piece * SAMPLE_SIZE : (piece + 1) * SAMPLE_SIZE]
        latents, sidecar = np.load(tmp_path / f"{name}.npy"), json.loads((tmp_path / f"{name}.json").read_text())
        np.testing.assert_allclose(latents, upstream_latents(codec, part)[:, : valid(part)], atol=SAME_NUMBERS)
        assert sidecar["timestamps"][0] == pytest.approx(piece * SAMPLE_SIZE / audio.shape[1])
        ends.append(sidecar["timestamps"][1])
    assert ends[-1] == 1


@pytest.mark.parametrize("survived", [1, 2, 3, 5])
def test_killed_and_begun_again_it_ends_with_the_same_bytes(codec: Codec, data: Path, tmp_path: Path, survived: int) -> None:
    calls = 0

    def until_killed(audio: Array) -> Array:
        nonlocal calls
        calls += 1
        if calls > survived:
            raise KeyboardInterrupt
        return codec.encoder(audio)

    encoder(codec, data, tmp_path / "whole").run(Shard(), quiet)
    with pytest.raises(KeyboardInterrupt):
        encoder(replace(codec, encoder=until_killed), data, tmp_path / "killed").run(Shard(), quiet)
    (tmp_path / "killed" / ".0000000000.npy.abc.npy").write_bytes(b"half of it")
    encoder(codec, data, tmp_path / "killed").run(Shard(), quiet)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_what_is_there_is_not_encoded_again(codec: Codec, data: Path, tmp_path: Path) -> None:
    def never(audio: Array) -> Array:
        raise AssertionError

    first = encoder(codec, data, tmp_path).run(Shard(), quiet)
    assert encoder(replace(codec, encoder=never), data, tmp_path).run(Shard(), quiet) == first


def test_shards_make_what_one_makes(codec: Codec, data: Path, tmp_path: Path) -> None:
    encoder(codec, data, tmp_path / "one").run(Shard(), quiet)
    for index in (2, 0, 1):
        encoder(codec, data, tmp_path / "three").run(Shard(index=index, of=3), quiet)
    one, three = contents(tmp_path / "one"), contents(tmp_path / "three")
    assert {name for name in three if name.startswith("manifest")} == {f"manifest-{i}-of-3.json" for i in (1, 2, 3)}
    same = one.keys() - {"manifest.json"}
    assert {name: three[name] for name in same} == {name: one[name] for name in same}


def test_a_file_list_says_what_is_encoded(codec: Codec, data: Path, tmp_path: Path) -> None:
    (tmp_path / "filelist.txt").write_text(f"{data / 'd loud.wav'}\n\n{data / 'b/mono.wav'}\n", encoding="utf-8")
    manifest = encoder(codec, tmp_path, tmp_path / "out").run(Shard(), quiet)
    assert [Path(item["relpath"]).name for item in manifest["items"].values()] == ["mono.wav", "d loud.wav"]


@pytest.mark.parametrize(("start", "stop"), [(0, 10), (0, 27563), (700, 882), (5000, 5001), (12345, 23456), (27000, 27563)])
@pytest.mark.parametrize("rate_hz", [8000, 44100, 48000])
def test_a_part_is_that_of_the_whole(tmp_path: Path, rate_hz: int, start: int, stop: int) -> None:
    audio = np.random.default_rng(0).uniform(-0.5, 0.5, (30000, 2)).astype(np.float32)[: 27563 * rate_hz // RATE_HZ]
    soundfile.write(tmp_path / "a.wav", audio, rate_hz, subtype="FLOAT")
    sound = open_sound(tmp_path / "a.wav", RATE_HZ, 2)
    stop = min(stop, sound.length)
    whole = resampled(np.ascontiguousarray(audio.T), rate_hz, RATE_HZ)
    np.testing.assert_allclose(sound.read(start, stop), whole[:, start:stop], atol=SAME_NUMBERS)


def run(data: Path, out: Path, model: Path, *options: str) -> Result:
    paths = ["--data-dir", str(data), "--output-path", str(out), "--model", str(model)]
    return CliRunner().invoke(app, ["codec", "pre-encode", *paths, *options])


def test_the_command_line_does_it(data: Path, tmp_path: Path) -> None:
    make_codec(tmp_path / "model", "same-tiny", seed=0)
    options = ("--sample-size", str(SAMPLE_SIZE), "--shard", "1/2", "--workers", "1")
    result = run(data, tmp_path / "out", tmp_path / "model", *options)
    assert result.exit_code == 0
    assert result.output.endswith(f"wrote {tmp_path / 'out'} (4 items, 1 left out, see manifest-1-of-2.json)\n")
    assert "left out" in result.output
    refused = run(data, tmp_path / "other", tmp_path / "model", "--batch-size", "2")
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
