"""Quiet sounds are measured like loud ones, and silence is as far from silence as nothing is from nothing."""

import math

import numpy as np
import pyloudnorm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parity.measure.metrics import relative_l2
from parity.measure.portraits import audible_distances, portrait
from parity.meta_tests.measure.test_verdict import RATE_HZ, music
from reference.spec.tensors import Array

SAME_DB = 1e-9  # rounding of float64 in a level
QUIETEST = 1e-12  # a gain of -240 dB
GATE_LUFS = -70.0  # BS.1770's absolute gate
STEP_DB = 0.2  # across it
NOISE_S, STANDARD_DB = 10, 0.01


def heard_apart(truth: Array, other: Array) -> dict[str, float]:
    return audible_distances(portrait(truth, RATE_HZ), portrait(other, RATE_HZ))


@settings(deadline=None, max_examples=20)
@given(st.floats(min_value=QUIETEST, max_value=1))
def test_loudness_follows_the_gain_whatever_it_is(gain: float) -> None:
    loud = music().astype(np.float64)
    apart = portrait(loud, RATE_HZ).loudness_db - portrait(loud * gain, RATE_HZ).loudness_db
    assert apart == pytest.approx(-20 * math.log10(gain), abs=SAME_DB)


@pytest.mark.parametrize("low_hz", [0, 30], ids=["noise", "a tone that is hardly heard"])
def test_loudness_is_the_standard_s_where_its_gates_say_nothing(low_hz: int) -> None:
    """Of what is as loud all the time, but for the ends, which the standard's blocks take less of."""
    noise = 0.1 * np.random.Generator(np.random.Philox(0)).standard_normal((2, NOISE_S * RATE_HZ))
    tone = 0.1 * np.sin(2 * np.pi * low_hz * np.arange(NOISE_S * RATE_HZ) / RATE_HZ)
    audio = np.stack([tone, tone]) if low_hz else noise
    assert portrait(audio, RATE_HZ).loudness_db == pytest.approx(
        pyloudnorm.Meter(RATE_HZ).integrated_loudness(audio.T), abs=STANDARD_DB
    )


def test_a_block_on_the_edge_of_a_gate_is_no_leap() -> None:
    """A hit and what follows it 10 dB quieter: the standard's gate lets all that follows in, or nothing."""
    hit, rest = music().astype(np.float64), 10 ** (-10 / 20) * music().astype(np.float64)
    found = heard_apart(np.concatenate([hit, 1.001 * rest], -1), np.concatenate([hit, 0.999 * rest], -1))
    assert found["loudness_difference_db"] < STANDARD_DB


@pytest.mark.parametrize("level_lufs", [GATE_LUFS - 60, GATE_LUFS - 0.1, GATE_LUFS, GATE_LUFS + 0.1])
def test_there_is_no_leap_at_the_gate(level_lufs: float) -> None:
    """A sound just above -70 LUFS and its like just below differ by what they differ."""
    start = music().astype(np.float64)
    at = start * 10 ** ((level_lufs - portrait(start, RATE_HZ).loudness_db) / 20)
    found = heard_apart(at, at * 10 ** (-STEP_DB / 20))
    assert found["loudness_difference_db"] == pytest.approx(STEP_DB, abs=SAME_DB)
    assert all(math.isfinite(value) for value in found.values())


def test_silence_in_the_place_of_silence_is_no_difference() -> None:
    silence = np.zeros_like(music())
    assert set(heard_apart(silence, silence).values()) == {0.0}
    assert relative_l2(silence, silence) == 0.0


@pytest.mark.parametrize("swapped", [False, True])
def test_silence_in_the_place_of_sound_is_a_difference(swapped: bool) -> None:
    pair = (np.zeros_like(music()), music() * np.float32(1e-6))
    found = heard_apart(*(reversed(pair) if swapped else pair))
    assert found["loudness_difference_db"] == math.inf
    assert found["envelope_decorrelation"] == 1
    assert relative_l2(np.zeros(3), np.ones(3)) == math.inf


@pytest.mark.parametrize("poison", [np.nan, np.inf])
@pytest.mark.parametrize("truth", [np.zeros_like, np.copy])
def test_what_is_not_finite_is_never_taken_for_silence(poison: float, truth: object) -> None:
    bad = music()
    bad[0, 5] = poison
    with np.errstate(invalid="ignore"):
        found = heard_apart(truth(music()), bad)  # type: ignore[operator]
    assert math.isnan(found["loudness_difference_db"])
    assert math.isnan(found["stereo_difference"])
