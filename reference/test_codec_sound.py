"""The codec's resampler and limiter, by what they promise; the oracle compares the resampler number for number."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference.spec.codec import resample
from reference.spec.codec.limiter import BLOCK, CEILING, limited
from reference.spec.codec.resample import resampled, resampled_length, resampled_part
from reference.spec.tensors import Array

RATE_HZ = 44100
FAITHFUL = 1e-3  # of a tone well inside the band, at full scale: the pass band's ripple, measured 5e-4
ROUNDED = 2e-7  # float32


def tone(rate_hz: int, samples: int, frequency_hz: float = 1000.0) -> Array:
    return np.sin(2 * np.pi * frequency_hz * np.arange(samples) / rate_hz)[None].astype(np.float32)


@pytest.mark.parametrize("rate_hz", [8000, 22050, 32000, 48000, 96000])
def test_a_tone_stays_that_tone(rate_hz: int) -> None:
    found = resampled(tone(rate_hz, rate_hz // 10), rate_hz, RATE_HZ)
    assert found.dtype == np.float32
    edge = 200  # where the silence around is heard
    np.testing.assert_allclose(found[:, edge:-edge], tone(RATE_HZ, found.shape[1])[:, edge:-edge], atol=FAITHFUL)


def test_the_same_rate_is_the_same_audio() -> None:
    audio = tone(RATE_HZ, 100)
    assert resampled(audio, RATE_HZ, RATE_HZ) is audio


# The third is one that torchaudio gives a sample less: it takes the ceiling in float32.
@pytest.mark.parametrize(("samples", "rate_hz", "length"), [(1, 48000, 1), (48000, 48000, 44100), (9795921, 48000, 9000003)])
def test_lengths_are_rounded_up(samples: int, rate_hz: int, length: int) -> None:
    assert resampled_length(samples, rate_hz, RATE_HZ) == length


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 900), st.sampled_from([8000, 11025, 48000, 88200]))
def test_a_constant_has_its_length_and_channels_do_not_mix(samples: int, rate_hz: int) -> None:
    audio = np.stack([np.ones(samples), np.zeros(samples)]).astype(np.float32)
    found = resampled(audio, rate_hz, RATE_HZ)
    assert found.shape == (2, resampled_length(samples, rate_hz, RATE_HZ))
    assert not found[1].any()


def test_a_part_reads_nothing_that_is_not_there() -> None:
    audio = tone(48000, 500)

    def read(start: int, stop: int) -> Array:
        assert 0 <= start < stop <= audio.shape[1]
        return audio[:, start:stop]

    whole = resampled(audio, 48000, RATE_HZ)
    for start, stop in ((0, 10), (100, 294), (0, whole.shape[1])):
        found = resampled_part(read, audio.shape[1], 48000, RATE_HZ, start, stop)
        np.testing.assert_allclose(found, whole[:, start:stop], atol=ROUNDED)


@pytest.mark.parametrize("values", [1, 1000])
def test_the_size_of_a_block_changes_nothing(monkeypatch: pytest.MonkeyPatch, values: int) -> None:
    whole = resampled(tone(48000, 5000), 48000, RATE_HZ)
    monkeypatch.setattr(resample, "BLOCK_VALUES", values)
    np.testing.assert_allclose(resampled(tone(48000, 5000), 48000, RATE_HZ), whole, atol=ROUNDED)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), samples=st.integers(1, 2000), loud=st.floats(0.1, 20))
def test_a_limited_peak_is_at_the_ceiling_at_most(seed: int, samples: int, loud: float) -> None:
    audio = (np.random.default_rng(seed).normal(0, loud, (2, samples))).astype(np.float32)
    found = limited(audio)
    assert found.dtype == np.float32
    assert np.abs(found).max() <= CEILING * (1 + ROUNDED)
    assert (np.sign(found) == np.sign(audio)).all()


def test_what_is_under_the_ceiling_comes_out_unchanged() -> None:
    audio = np.random.default_rng(0).uniform(-CEILING, CEILING, (2, 3, 1000)).astype(np.float32)
    np.testing.assert_array_equal(limited(audio), audio)


def test_silence_stays_silence() -> None:
    audio = np.zeros((2, 3 * BLOCK), np.float32)
    np.testing.assert_array_equal(limited(audio), audio)


def test_a_peak_is_felt_in_every_channel_so_many_samples_around_it() -> None:
    audio = np.full((2, 64 * BLOCK), 0.5)
    audio[0, 32 * BLOCK] = 3.0
    changed = (limited(audio) != audio).nonzero()
    for channel in (0, 1):
        places = changed[1][changed[0] == channel] - 32 * BLOCK
        assert (places.min(), places.max()) == (-480, 543)
