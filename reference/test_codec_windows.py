"""The codec over the tiny models: windows change nothing, and lengths are kept."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.configs import Json
from fixtures.make_codec import make_codec, write_codec
from fixtures.oracle.same_family import configs, whole_heads
from reference.codec import CodecModel, load_codec
from reference.spec.codec.windows import checked_chunks, in_windows, sides
from reference.spec.model import ChunkSpec
from reference.spec.tensors import Array

RATIO = 272  # of the tiny codecs
EXACT = 1e-12  # float64, relative L2: windows change the order of summation at most
SEEN = 1e-9  # what a window without enough context differs by at least: the narrow band's edges are felt this little


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CodecModel]:
    """The tiny codecs in float64, by topology."""
    root = tmp_path_factory.mktemp("codecs")
    for config in ("same-tiny", "same-tiny-l"):
        make_codec(root / config, config, seed=0)
    loaded = {"chunks": load_codec(root / "same-tiny"), "band": load_codec(root / "same-tiny-l")}
    return {name: model.to(torch.float64) for name, model in loaded.items()}


def noise(*shape: int) -> Array:
    return np.random.default_rng(0).normal(size=shape)


def apart(whole: Array, other: Array) -> float:
    assert whole.shape == other.shape
    return float(np.linalg.norm(whole - other) / np.linalg.norm(whole))


@settings(max_examples=25, deadline=None)
@given(frames=st.integers(1, 24), more=st.integers(0, 2), beyond=st.integers(1, 4))
@pytest.mark.parametrize("topology", ["chunks", "band"])
def test_windows_change_nothing(models: dict[str, CodecModel], topology: str, frames: int, more: int, beyond: int) -> None:
    codec = models[topology].codec()
    shape = codec.shape
    encoding, decoding = (
        {"chunked": True, "chunk_size": overlap + beyond * shape.alignment, "overlap": overlap}
        for overlap in (shape.least_overlap(side.reach) + more * shape.alignment for side in sides(shape))
    )
    latents, audio = noise(2, 20, frames), noise(2, frames * RATIO - 100)
    assert apart(codec.decode(latents), codec.decode(latents, **decoding)) <= EXACT
    assert apart(codec.encode(audio, 44100).latents, codec.encode(audio, 44100, **encoding).latents) <= EXACT


@settings(max_examples=20, deadline=None, derandomize=True, database=None)
@given(config=configs().filter(whole_heads), frames=st.integers(1, 30), seed=st.integers(0, 99))
def test_windows_of_the_least_overlap_change_nothing_over_the_family(config: Json, frames: int, seed: int) -> None:
    with TemporaryDirectory() as folder:
        write_codec(Path(folder), config, seed)
        codec = load_codec(Path(folder)).to(torch.float64).codec()
    shape = codec.shape
    latents, audio = noise(1, shape.latent_channels, frames), noise(2, frames * shape.ratio)
    encoding, decoding = (
        {"chunked": True, "chunk_size": overlap + shape.alignment, "overlap": overlap}
        for overlap in (shape.least_overlap(side.reach) for side in sides(shape))
    )
    assert apart(codec.encode(audio, 44100).latents, codec.encode(audio, 44100, **encoding).latents) <= EXACT
    assert apart(codec.decode(latents), codec.decode(latents, **decoding)) <= EXACT


LATENTS = noise(20, 4).astype(np.float32)
STORED = {
    "read-only": np.frombuffer(LATENTS.tobytes(), np.float32).reshape(20, 4),
    "big-endian": LATENTS.astype(">f4"),
    "backwards": LATENTS[:, ::-1].copy()[:, ::-1],
    "transposed in memory": np.asfortranarray(LATENTS),
}


@pytest.mark.parametrize("kind", STORED)
def test_it_does_not_matter_how_an_array_is_stored(models: dict[str, CodecModel], kind: str) -> None:
    codec = models["chunks"].codec()
    np.testing.assert_array_equal(codec.decode(STORED[kind]), codec.decode(LATENTS))


@pytest.mark.parametrize("topology", ["chunks", "band"])
@pytest.mark.parametrize("verb", ["encode", "decode"])
def test_the_least_overlap_is_the_least(models: dict[str, CodecModel], topology: str, verb: str) -> None:
    """One group of frames less, and the result is another; the check that refuses it is left out here."""
    codec, frames = models[topology].codec(), 24
    side = next(side for side in sides(codec.shape) if side.name == verb)
    half, data = (codec.encoder, noise(1, 2, frames * RATIO)) if verb == "encode" else (codec.decoder, noise(1, 20, frames))
    least = codec.shape.least_overlap(side.reach)
    checked_chunks(codec.shape, side, least + 4, least)

    def error(overlap: int) -> float:
        pieces = in_windows(half, side, ChunkSpec(frames=overlap + 4, overlap=overlap), frames, data)
        return apart(half(data), np.concatenate(list(pieces), axis=2))

    assert error(least) <= EXACT
    assert error(least - 2) >= SEEN


@pytest.mark.parametrize("topology", ["chunks", "band"])
def test_decoding_gives_as_many_samples_as_its_frames_have(models: dict[str, CodecModel], topology: str) -> None:
    model, latents = models[topology], noise(20, 5)
    codec = model.codec()
    whole = codec.decoder(latents[None])
    assert whole.shape[2] == codec.shape.aligned(5) * RATIO
    np.testing.assert_array_equal(codec.decode(latents), whole[..., : 5 * RATIO])
    np.testing.assert_array_equal(codec.decode(latents, length=777), whole[..., :777])


@pytest.mark.parametrize("topology", ["chunks", "band"])
def test_items_of_a_list_are_coded_as_each_alone(models: dict[str, CodecModel], topology: str) -> None:
    """But for the frames that hear whether silence follows, of which that before the end is one."""
    codec, rates_hz = models[topology].codec(), [44100, 22050, 48000]
    waves, latents = [noise(2, 40 * RATIO - 7), noise(9000), noise(1, 60 * RATIO)], noise(3, 20, 31)
    together, heard, reach = codec.encode(waves, rates_hz), codec.decode(latents), codec.shape.encode_reach
    ends = []
    for index, (wave, rate_hz) in enumerate(zip(waves, rates_hz, strict=True)):
        alone, item = codec.encode(wave, rate_hz), together.latents[index]
        assert (alone.lengths[0], alone.frames[0]) == (together.lengths[index], together.frames[index])
        kept = alone.latents.shape[2] - reach
        assert apart(alone.latents[0, :, :kept], item[:, :kept]) <= EXACT
        ends.append(apart(alone.latents[0, :, kept:], item[:, kept : kept + reach]))
        assert apart(codec.decode(latents[index])[0], heard[index]) <= EXACT
    assert [end >= SEEN for end in ends] == [True, False, True]  # the second is the longest


def test_items_of_a_list_keep_their_own_length(models: dict[str, CodecModel]) -> None:
    codec, waves = models["chunks"].codec(), [noise(2, 700), noise(2, 7 * RATIO + 5)]
    encoded = codec.encode(waves, [44100, 44100])
    assert (encoded.latents.shape, encoded.frames) == ((2, 20, 8), (3, 8))
    alone = codec.encode(waves[0], 44100).latents[0]
    kept = encoded.frames[0] - 1  # the frame before the end hears the silence behind it
    assert apart(alone[:, : kept - 1], encoded.latents[0, :, : kept - 1]) <= EXACT
    heard = codec.trimmed(codec.decode(encoded.latents), encoded.lengths)
    assert [item.shape for item in heard] == [(2, 700), (2, 7 * RATIO + 5)]
