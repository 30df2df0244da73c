"""Sound files in and out, and audio-to-audio."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from fixtures import TINY_MODEL_DIR
from parity.measure import metrics
from reference.pipeline import Model, load_model
from reference.spec.audio import ENCODINGS, fitted, read_wav, trimmed, write_wav
from reference.spec.errors import InputError
from reference.spec.files import sha256_of
from reference.spec.generation import Request, generate
from reference.spec.noise import philox
from reference.spec.sampling.objective import FLOW
from reference.spec.sampling.samplers import SAMPLERS, SamplerSpec, fitting
from reference.spec.tensors import Array, Tensors

RATE_HZ = 44_100
# Half a step of rounding, and one at full scale: libsndfile writes times 2**n - 1 and reads by 2**n.
ROUND_TRIP = {"float32": 0.0, "pcm16": 1.5 / 2**15, "pcm24": 1.5 / 2**23}
RESAMPLED = 1e-4  # relative L2 away from the edges; measured up to 2e-6, linear interpolation would give 2e-2
EDGE_SAMPLES = 500
PCM_16_NOISE = 2.0**-15  # a step against a sine of half full scale
NEAR_ZERO_LEVEL, SLOPE = 1e-4, 20  # how fast the latents may leave the recording's as the level leaves 0; measured 10


@pytest.fixture(scope="module")
def tiny() -> Model:
    return load_model(TINY_MODEL_DIR)


def noise(channels: int = 2, samples: int = 1000, peak: float = 0.9) -> Array:
    return np.random.Generator(np.random.Philox(0)).uniform(-peak, peak, (channels, samples)).astype(np.float32)


def sine(rate_hz: int, seconds: float = 0.25, frequency_hz: float = 1000.0) -> Array:
    time_s = np.arange(round(rate_hz * seconds)) / rate_hz
    return (0.5 * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)[None]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_wav_round_trip(tmp_path: Path, encoding: str) -> None:
    audio = noise()
    for name in ("a.wav", "b.wav"):
        write_wav(tmp_path / name, audio, RATE_HZ, encoding=encoding)
    again, rate_hz = read_wav(tmp_path / "a.wav")
    assert rate_hz == RATE_HZ
    assert np.abs(again - audio).max() <= ROUND_TRIP[encoding]
    assert sha256_of(tmp_path / "a.wav") == sha256_of(tmp_path / "b.wav")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_beyond_full_scale_float_is_kept_and_pcm_is_clipped(tmp_path: Path, encoding: str) -> None:
    audio = np.array([[1.5, -1.5, 0.25], [-3.0, 3.0, -0.25]], np.float32)
    write_wav(tmp_path / "a.wav", audio, RATE_HZ, encoding=encoding)
    expected = audio if encoding == "float32" else audio.clip(-1, 1)
    assert np.abs(read_wav(tmp_path / "a.wav")[0] - expected).max() <= ROUND_TRIP[encoding]


def test_float_wavs_have_the_plain_header(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", noise(), RATE_HZ)
    assert (tmp_path / "a.wav").stat().st_size == 44 + 2 * 1000 * 4


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT"])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 48_000, 96_000])
def test_any_wav_becomes_the_model_s_window(tmp_path: Path, subtype: str, channels: int, rate_hz: int) -> None:
    soundfile.write(tmp_path / "in.wav", np.repeat(sine(rate_hz), channels, axis=0).T, rate_hz, subtype=subtype)
    window = fitted(*read_wav(tmp_path / "in.wav"), RATE_HZ, (1, 2, 16_384))
    assert window.shape == (1, 2, 16_384)
    assert window.dtype == np.float32
    wanted = sine(RATE_HZ)
    inside = slice(EDGE_SAMPLES, wanted.shape[1] - EDGE_SAMPLES)
    for channel in window[0]:
        assert metrics.relative_l2(wanted[0, inside], channel[inside]) <= RESAMPLED + PCM_16_NOISE
    assert not window[..., wanted.shape[1] + EDGE_SAMPLES :].any()


def test_channels_and_length_follow_the_model() -> None:
    three = noise(3)
    assert np.array_equal(fitted(three, RATE_HZ, RATE_HZ, (1, 2, 600))[0], three[:2, :600])
    assert np.array_equal(fitted(three[:1], RATE_HZ, RATE_HZ, (1, 2, 1000))[0], three[[0, 0]])
    assert np.allclose(fitted(three, RATE_HZ, RATE_HZ, (1, 1, 1000))[0, 0], three.mean(axis=0))
    with pytest.raises(InputError, match="has 3 channels, the model takes 4"):
        fitted(three, RATE_HZ, RATE_HZ, (1, 4, 10))


@pytest.mark.parametrize(("seconds", "samples"), [(0.01, 441), (0.0, 1), (5.0, 1000), (0.0151, 666)])
def test_trimming_follows_seconds(seconds: float, samples: int) -> None:
    assert trimmed(noise(), RATE_HZ, seconds).shape == (2, samples)


def continued(model: Model, init_audio: Array, sigma_max: float, sampler: str = "pingpong") -> Tensors:
    request = Request(
        prompt="warm pad", seconds=1.5, sampler=SamplerSpec(name=sampler, sigma_max=sigma_max), init_audio=init_audio
    )
    return generate(model.pipeline(), request, philox(model.spec.latent_shape, 0))


@pytest.fixture(scope="module")
def recording(tiny: Model) -> Array:
    """Audio the autoencoder knows: its own."""
    request = Request(prompt="tight drum loop", seconds=1.5)
    return generate(tiny.pipeline(), request, philox(tiny.spec.latent_shape, 5))["audio"]


@pytest.mark.parametrize("sampler", fitting(tuple(SAMPLERS), FLOW))
def test_level_zero_is_the_codec_s_round_trip(tiny: Model, recording: Array, sampler: str) -> None:
    found = continued(tiny, recording, 0.0, sampler)
    noise = found["encoder_noise"]
    with torch.inference_mode():
        latents = tiny.modules["encoder"](torch.from_numpy(recording), torch.from_numpy(noise))["init_latents"]
        audio = tiny.modules["decoder"](latents)["audio"]
    assert np.array_equal(found["latents"], latents.numpy())
    assert np.array_equal(found["audio"], audio.numpy())


@pytest.mark.parametrize("sampler", fitting(tuple(SAMPLERS), FLOW))
def test_the_lower_the_level_the_nearer_the_recording(tiny: Model, recording: Array, sampler: str) -> None:
    """And in the limit the round trip itself: no jump at 0."""
    there = continued(tiny, recording, 0.0)["latents"]
    away = [
        metrics.relative_l2(there, continued(tiny, recording, level, sampler)["latents"])
        for level in (1e-4, 0.01, 0.1, 0.5)
    ]
    assert away == sorted(away)
    assert away[0] <= SLOPE * NEAR_ZERO_LEVEL


def test_init_noise_level_needs_init_audio() -> None:
    with pytest.raises(InputError, match=r"sigma_max is 0\.5 without init audio"):
        Request(prompt="a", seconds=1, sampler=SamplerSpec(sigma_max=0.5))


@pytest.mark.parametrize("method", ["__init__", "write"])
def test_a_pcm_wav_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """libsndfile says of a full disk that there is a system error, or writes less."""

    def fails(*_: Any, **__: Any) -> None:
        raise soundfile.LibsndfileError(2) if method == "__init__" else AssertionError

    monkeypatch.setattr(soundfile.SoundFile, method, fails)
    with pytest.raises(InputError, match=r"a\.wav: cannot be written .*; is the disk full\?"):
        write_wav(tmp_path / "a.wav", np.zeros((2, 10), np.float32), 44100, encoding="pcm16")
    assert list(tmp_path.iterdir()) == []
