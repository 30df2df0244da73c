"""The codec as its users know it: what it takes, and what it refuses, whoever runs its halves."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from reference.spec.codec.codec import Codec
from reference.spec.codec.latents_file import read_latents, write_latents
from reference.spec.codec.shape import CodecShape
from reference.spec.codec.waveforms import batched
from reference.spec.errors import InputError
from reference.spec.tensors import Array

SAME_S = CodecShape(
    sample_rate_hz=44100, audio_channels=2, latent_channels=256, ratio=4096, alignment=2, encode_reach=1, decode_reach=2
)
SAME_L = CodecShape(
    sample_rate_hz=44100, audio_channels=2, latent_channels=256, ratio=4096, alignment=1, encode_reach=12, decode_reach=12
)
SHAPES = {"same-s": SAME_S, "same-l": SAME_L}


def noise(*shape: int) -> Array:
    return np.random.default_rng(0).normal(size=shape)


def idle(shape: CodecShape) -> Codec:
    """A codec whose halves answer zeros of the right shape."""
    return Codec(
        shape=shape,
        encoder=lambda audio: np.zeros((len(audio), shape.latent_channels, audio.shape[2] // shape.ratio), np.float32),
        decoder=lambda z: np.zeros((len(z), shape.audio_channels, shape.aligned(z.shape[2]) * shape.ratio), np.float32),
    )


@pytest.mark.parametrize(("samples", "of_l", "of_s"), [(1, 1, 2), (4096, 1, 2), (4097, 2, 2), (10000, 3, 4), (441000, 108, 108)])
def test_how_many_frames_hold_so_many_samples(samples: int, of_l: int, of_s: int) -> None:
    for shape, frames in ((SAME_L, of_l), (SAME_S, of_s)):
        encoded = idle(shape).encode(np.zeros(samples), 44100)
        assert encoded.latents.shape == (1, 256, frames)
        assert (encoded.lengths, encoded.frames) == ((samples,), (of_l,))


def test_waveforms_of_any_length_and_rate_become_one_batch() -> None:
    waves = [noise(1, 3000), noise(2, 9600), noise(5000), noise(1, 4, 100)]
    rates = [44100, 48000, 22050.0, 44100]
    batch = batched(waves, rates, SAME_L)  # type: ignore[arg-type]
    assert batch.audio.shape == (4, 2, 12288)
    assert batch.audio.dtype == np.float32
    assert batch.lengths == (3000, 8820, 10000, 100)
    for row, length in zip(batch.audio, batch.lengths, strict=True):
        assert row[:, :length].any()
        assert not row[:, length:].any()


WAVE = noise(3, 8).astype(np.float32)
CHANNELS = {
    (1, 2): np.repeat(WAVE[:1], 2, axis=0), (2, 2): WAVE[:2], (3, 2): WAVE[:2],
    (1, 1): WAVE[:1], (2, 1): WAVE[:2].mean(0, keepdims=True), (3, 1): WAVE.mean(0, keepdims=True),
}  # fmt: skip


@pytest.mark.parametrize(("given", "wanted"), CHANNELS)
def test_channels_are_doubled_left_out_or_mixed_down(given: int, wanted: int) -> None:
    shape = CodecShape(**{**vars(SAME_L), "audio_channels": wanted})
    audio = batched(WAVE[:given], 44100, shape).audio[0, :, :8]
    np.testing.assert_array_equal(audio, CHANNELS[given, wanted])


def test_a_batch_is_a_list() -> None:
    batch = noise(3, 2, 5000)
    assert batched(batch, 44100, SAME_L).audio.tobytes() == batched(list(batch), [44100] * 3, SAME_L).audio.tobytes()


GOOD = noise(2, 100)
BAD_AUDIO: dict[str, tuple[Any, Any, str]] = {
    "no array": ("birds", 44100, "audio is str, expected a numpy array"),
    "a tensor": (torch.zeros(2, 100), 44100, "audio is Tensor, expected a numpy array"),
    "a list of lists": ([[0.0, 0.1]], 44100, "waveform 0 is list, expected a numpy array"),
    "an empty list": ([], 44100, "audio is empty"),
    "an empty batch": (np.zeros((0, 2, 100)), 44100, "audio is empty"),
    "integers": ([GOOD, np.zeros((2, 100), np.int16)], 44100, "waveform 1 is int16, expected floats from -1 to 1"),
    "no samples": (np.zeros((2, 0)), 44100, r"waveform 0 has shape \[2, 0\] and holds no samples"),
    "sample by channel": (GOOD.T, 44100, r"shape \[100, 2\], more channels than samples; .* transpose it"),
    "four axes": (np.zeros((1, 1, 2, 100)), 44100, r"shape \[1, 1, 2, 100\], expected \(sample,\) or \(channel, sample\)"),
    "a batch in a list": ([np.zeros((3, 2, 100))], 44100, r"shape \[3, 2, 100\], expected"),
    "not finite": (np.array([0.0, np.nan]), 44100, "holds NaN or infinity"),
    "infinite in float32": (np.array([0.0, -1e39]), 44100, "holds NaN or infinity"),
    "rates of another number": ([GOOD, GOOD], [44100], "1 sample rates were given for 2 waveforms"),
    "half a hertz": (GOOD, 44100.5, "sample rate is 44100.5, expected a whole number"),
    "no rate": (GOOD, None, "sample rate is None"),
    "true": (GOOD, True, "sample rate is True"),
    "zero": (GOOD, 0, "sample rate is 0"),
    "complex": (GOOD, np.complex64(44100), "sample rate is"),
    "a rate of its own": (GOOD, 44101, "sample rate 44101 Hz has too little in common with 44100 Hz"),
}


@pytest.mark.parametrize("name", BAD_AUDIO)
def test_audio_that_would_silently_be_something_else_is_refused(name: str) -> None:
    audio, rate, words = BAD_AUDIO[name]
    with pytest.raises(InputError, match=words):
        idle(SAME_L).encode(audio, rate)


BAD_LATENTS: dict[str, tuple[Any, str]] = {
    "no array": ([0.0], "latents are list, expected a numpy array"),
    "integers": (np.zeros((256, 4), int), "latents are int64, expected floats"),
    "transposed": (np.zeros((4, 256)), r"shape \[4, 256\], expected .*; transpose them"),
    "other channels": (np.zeros((1, 64, 4)), r"shape \[1, 64, 4\], expected \(item, 256, frame\) or \(256, frame\)$"),
    "one axis": (np.zeros(256), r"shape \[256\]"),
    "no axis": (np.zeros(()), r"shape \[\], expected"),
    "no frames": (np.zeros((256, 0)), "hold nothing"),
    "not finite": (np.full((256, 2), np.inf), "hold NaN or infinity"),
}


@pytest.mark.parametrize("name", BAD_LATENTS)
def test_latents_that_are_none_are_refused(name: str) -> None:
    latents, words = BAD_LATENTS[name]
    with pytest.raises(InputError, match=words):
        idle(SAME_L).decode(latents)


@pytest.mark.parametrize("length", [0, -1, 3 * 4096 + 1, 10.0, True])
def test_a_length_that_is_not_there_is_refused(length: Any) -> None:
    with pytest.raises(InputError, match=r"expected 1 to 12288, which is what the latents hold"):
        idle(SAME_S).decode(np.zeros((256, 3)), length=length)


# model, direction, chunk_size, overlap: what is wrong with them, or nothing
SIZES: dict[tuple[str, str, Any, Any], str] = {
    ("same-s", "decode", 128, 32): "", ("same-s", "encode", 6, 2): "", ("same-s", "decode", 6, 4): "",
    ("same-s", "decode", np.int64(6), np.int32(4)): "",
    ("same-s", "decode", 127, 32): "chunk_size is 127 latent frames, expected a multiple of 2",
    ("same-s", "encode", 128, 31): "overlap is 31 latent frames, expected a multiple of 2",
    ("same-s", "decode", 128, 2): "overlap is 2 latent frames, expected at least 4 to decode",
    ("same-s", "encode", 128, 0): "overlap is 0 latent frames, expected at least 2 to encode",
    ("same-s", "decode", 32, 32): "chunk_size is 32 latent frames, expected more than the overlap, which is 32",
    ("same-s", "encode", 0, 2): "chunk_size is 0", ("same-s", "encode", 8, -2): "overlap is -2",
    ("same-s", "encode", 8.0, 2): "chunk_size is 8.0, expected a whole number", ("same-s", "encode", 8, True): "overlap is True",
    ("same-l", "decode", 127, 25): "", ("same-l", "decode", 25, 24): "",
    ("same-l", "encode", 128, 23): "overlap is 23 latent frames, expected at least 24 to encode",
}  # fmt: skip


@pytest.mark.parametrize(("model", "verb", "chunk_size", "overlap"), SIZES)
def test_windows_that_would_change_the_result_are_refused(model: str, verb: str, chunk_size: Any, overlap: Any) -> None:
    codec, words = idle(SHAPES[model]), SIZES[model, verb, chunk_size, overlap]
    options = {"chunked": True, "chunk_size": chunk_size, "overlap": overlap}

    def run() -> Any:
        return codec.encode(np.zeros(9000), 44100, **options) if verb == "encode" else codec.decode(np.zeros((256, 3)), **options)

    if not words:
        run()
        return
    with pytest.raises(InputError) as told:
        run()
    assert str(told.value).startswith(words)


@pytest.mark.parametrize(("answer", "words"), [
    (np.zeros((1, 2, 4096)), r"to decode gave shape \[1, 2, 4096\], expected \[1, 2, 8192\]; the model does not fit"),
    (np.full((1, 2, 8192), np.nan), "to decode gave NaN or infinity"),
], ids=["shape", "not finite"])  # fmt: skip
def test_an_answer_that_cannot_be_right_is_told(answer: Array, words: str) -> None:
    codec = Codec(shape=SAME_S, encoder=lambda audio: audio, decoder=lambda latents: answer)
    with pytest.raises(InputError, match=words):
        codec.decode(np.zeros((256, 2)))


def test_latents_of_another_shape_and_lengths_of_another_number_are_told() -> None:
    codec = Codec(shape=SAME_S, encoder=lambda audio: np.zeros((1, 256, 1)), decoder=lambda latents: latents)
    with pytest.raises(InputError, match=r"to encode gave shape \[1, 256, 1\], expected \[1, 256, 2\]"):
        codec.encode(np.zeros(8192), 44100)
    with pytest.raises(ValueError, match="zip"):
        codec.trimmed(np.zeros((2, 2, 8)), [8])


def test_latents_are_not_written_over_what_is_there_nor_read_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "z.npy").write_bytes(b"mine")
    with pytest.raises(InputError, match="already exists"):
        write_latents(tmp_path / "z.npy", noise(256, 3))
    assert (tmp_path / "z.npy").read_bytes() == b"mine"
    with pytest.raises(InputError, match=r"not a readable \.npy file"):
        read_latents(tmp_path, SAME_S)


def test_latents_are_files(tmp_path: Path) -> None:
    latents = noise(256, 3)
    write_latents(tmp_path / "z.npy", latents)
    stored = np.load(tmp_path / "z.npy")
    assert (stored.dtype, stored.shape) == (np.float32, (256, 3))
    np.testing.assert_array_equal(read_latents(tmp_path / "z.npy", SAME_S)[0], stored)


def header(shape: bytes) -> bytes:
    """The beginning of a .npy file with `shape` for the rest of what it says."""
    text = b"{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


BAD_FILES: dict[str, tuple[Any, str]] = {
    "missing": (None, "z.npy: no such file"),
    "text": (b"latents", "z.npy: not a readable .npy file"),
    "empty": (b"", "z.npy: not a readable .npy file"),
    "a broken archive": (b"PK\x03\x04, but no more", "z.npy: not a readable .npy file"),
    "of another model": (np.zeros((64, 3)), r"z.npy: latents have shape \[64, 3\], expected"),
    "several": (np.zeros((2, 256, 3)), "z.npy: holds 2 items, expected one"),
    "infinite in float32": (np.full((256, 3), 1e39), "z.npy: latents hold NaN or infinity"),
    "a header that does not end": (header(b"(256, 3), ("), "z.npy: not a readable .npy file"),
    "a header closed twice": (header(b"(256, 3)), "), "z.npy: not a readable .npy file"),
    "fewer than no frames": (header(b"(256, -3), }"), r"z.npy: latents have shape \[256, -3\] and hold nothing"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_files_that_hold_no_latents_are_refused(tmp_path: Path, name: str) -> None:
    content, words = BAD_FILES[name]
    path = tmp_path / "z.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content)
    with pytest.raises(InputError, match=words):
        read_latents(path, SAME_S)
