"""Coding piece by piece: the numbers of coding at once, and never more than a window in hand."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from reference.spec.audio import new_wav, read_wav, write_wav
from reference.spec.codec.codec import Codec
from reference.spec.codec.latents_file import new_latents, open_latents, read_latents, write_latents
from reference.spec.codec.limiter import limited
from reference.spec.codec.resample import resampled
from reference.spec.codec.shape import CodecShape
from reference.spec.codec.sound_file import open_sound_file
from reference.spec.codec.streams import MARGIN, audio_of, latents_of, limited_pieces
from reference.spec.errors import InputError
from reference.spec.model import ChunkSpec
from reference.spec.tensors import Array

RATIO, CHANNELS, LATENTS, RATE_HZ = 272, 2, 20, 44100
SHAPE = CodecShape(
    sample_rate_hz=RATE_HZ, audio_channels=CHANNELS, latent_channels=LATENTS, ratio=RATIO, alignment=2, encode_reach=1,
    decode_reach=2,
)  # fmt: skip
WINDOWS = ChunkSpec(frames=16, overlap=4)
SAME_FLOATS = 1e-7  # sums and gains computed at another place of an array


class Recorded:
    """A codec without weights: a frame is the mean of its samples, and back. `longest` is the most it was asked, in frames."""

    def __init__(self) -> None:
        self.longest = 0

    def encoder(self, audio: Array) -> Array:
        frames = audio.reshape(1, CHANNELS, -1, RATIO).mean(axis=(1, 3))
        self.longest = max(self.longest, frames.shape[1])
        return np.repeat(frames[:, None], LATENTS, axis=1)

    def decoder(self, latents: Array) -> Array:
        self.longest = max(self.longest, latents.shape[2])
        frames = -(-latents.shape[2] // 2) * 2
        sound = np.zeros((1, CHANNELS, frames * RATIO), np.float32)
        sound[..., : latents.shape[2] * RATIO] = np.repeat(latents[:, :1], RATIO, axis=2)
        return sound

    @property
    def codec(self) -> Codec:
        return Codec(shape=SHAPE, encoder=self.encoder, decoder=self.decoder)


@given(st.lists(st.integers(1, 3 * MARGIN), min_size=1, max_size=6), st.integers(0, 5))
def test_pieces_are_turned_down_as_all_at_once(lengths: list[int], seed: int) -> None:
    whole = np.random.default_rng(seed).normal(0, 0.6, (2, sum(lengths))).astype(np.float32)
    pieces = np.split(whole, np.cumsum(lengths)[:-1], axis=1)
    np.testing.assert_allclose(np.concatenate(list(limited_pieces(pieces)), axis=1), limited(whole), atol=SAME_FLOATS)


@pytest.mark.parametrize(("rate_hz", "channels"), [(44100, 2), (48000, 1), (22050, 3)])
def test_a_sound_file_is_read_in_parts_as_it_is_as_a_whole(tmp_path: Path, rate_hz: int, channels: int) -> None:
    soundfile.write(tmp_path / "in.wav", np.random.default_rng(0).normal(0, 0.1, (9000, channels)), rate_hz, subtype="FLOAT")
    whole = resampled(read_wav(tmp_path / "in.wav")[0], rate_hz, RATE_HZ)
    fitted = np.repeat(whole, 2, axis=0) if channels == 1 else whole[:2]
    sound = open_sound_file(tmp_path / "in.wav", SHAPE)
    assert sound.length == whole.shape[1]
    parts = [sound.read(start, start + 1000) for start in range(0, sound.length, 1000)]
    np.testing.assert_allclose(np.concatenate(parts, axis=1)[:, : sound.length], fitted, atol=SAME_FLOATS)
    assert not sound.read(sound.length - 10, sound.length + 90)[:, 10:].any()


@pytest.mark.parametrize("frames", [3, 16, 41])
def test_windows_give_what_all_at_once_does_and_no_more_is_held(tmp_path: Path, frames: int) -> None:
    audio = np.random.default_rng(frames).normal(0, 0.1, (2, frames * RATIO - 7)).astype(np.float32)
    write_wav(tmp_path / "in.wav", audio, RATE_HZ)
    sound, held = open_sound_file(tmp_path / "in.wav", SHAPE), Recorded()
    latents = np.concatenate(list(latents_of(held.codec, sound, WINDOWS)), axis=1)
    np.testing.assert_array_equal(latents, np.concatenate(list(latents_of(Recorded().codec, sound, None)), axis=1))
    write_latents(tmp_path / "z.npy", latents[:, :frames])
    stored = open_latents(tmp_path / "z.npy", SHAPE)
    heard = np.concatenate(list(audio_of(held.codec, stored, WINDOWS, sound.length)), axis=1)
    assert heard.shape == audio.shape
    np.testing.assert_array_equal(heard, Recorded().decoder(latents[None])[0, :, : sound.length])
    assert held.longest <= WINDOWS.frames


def test_latents_written_in_pieces_are_numpy_s_own_file(tmp_path: Path) -> None:
    latents = np.random.default_rng(0).normal(size=(LATENTS, 50)).astype(np.float32)
    with new_latents(tmp_path / "z.npy", LATENTS, 50) as append:
        for piece in np.split(latents, [1, 16, 33], axis=1):
            append(piece)
    np.save(tmp_path / "numpy.npy", latents)
    assert (tmp_path / "z.npy").read_bytes() == (tmp_path / "numpy.npy").read_bytes()


ARRANGED = {
    "one item": lambda latents: latents[None],
    "frame by frame": np.asfortranarray,
    "one item, frame by frame": lambda latents: np.asfortranarray(latents[None]),
    "big endian doubles": lambda latents: latents.astype(">f8"),
    "halves": lambda latents: latents.astype(np.float16),
}


@pytest.mark.parametrize("name", ARRANGED)
def test_latents_are_read_in_parts_however_numpy_stored_them(tmp_path: Path, name: str) -> None:
    latents = ARRANGED[name](np.random.default_rng(0).normal(size=(LATENTS, 50)).astype(np.float32))
    np.save(tmp_path / "z.npy", latents)
    stored = open_latents(tmp_path / "z.npy", SHAPE)
    whole = latents.reshape(1, LATENTS, 50)
    for start, stop in ((0, 50), (7, 20), (49, 60)):
        np.testing.assert_array_equal(stored.read(start, stop), whole[..., start:stop])
    np.testing.assert_array_equal(read_latents(tmp_path / "z.npy", SHAPE), whole)


def test_latents_that_end_early_or_are_not_finite_are_told_before_anything_is_decoded(tmp_path: Path) -> None:
    latents = np.zeros((LATENTS, 3000), np.float32)
    np.save(tmp_path / "z.npy", latents)
    (tmp_path / "z.npy").write_bytes((tmp_path / "z.npy").read_bytes()[:-4])
    with pytest.raises(InputError, match=r"z\.npy: ends before its header says"):
        open_latents(tmp_path / "z.npy", SHAPE)
    latents[3, 2900] = np.nan
    np.save(tmp_path / "z.npy", latents)
    with pytest.raises(InputError, match=r"z\.npy: latents hold NaN or infinity"):
        open_latents(tmp_path / "z.npy", SHAPE)


def test_a_sound_file_that_ends_early_is_told(tmp_path: Path) -> None:
    write_wav(tmp_path / "in.wav", np.zeros((2, 4000), np.float32), RATE_HZ)
    sound = open_sound_file(tmp_path / "in.wav", SHAPE)
    (tmp_path / "in.wav").write_bytes((tmp_path / "in.wav").read_bytes()[:9000])
    with pytest.raises(InputError, match=r"in\.wav: (ends before its header says|not a readable sound file)"):
        sound.read(0, 4000)


def test_a_wav_that_fails_halfway_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out.wav"
    with pytest.raises(ValueError, match="dimension"), new_wav(out, 2, 1000, RATE_HZ, encoding="pcm16") as append:
        append(np.zeros((2, 500, 3), np.float32))
    assert list(tmp_path.iterdir()) == []
