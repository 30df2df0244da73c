"""What the norm of an error hides is seen: each number by what it is there for, from far below the error's own size on."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.measure.budget import UNIT_ROUNDOFF
from parity.measure.pooled import pooled
from parity.measure.shape import CHANCE, GAIN_BLOCKS, LOUD_CHANCE, PEAK_VALUES, PIECES
from parity.measure.teacher_forcing import NONFINITE, OF_LATENTS, OF_SOUND, Measurement
from reference.spec.tensors import Array

SAMPLES = 60_000
NOISE = 0.05  # relative L2 of the yardstick's error, that of an INT8 decoder
FOUND = 2.0  # over the yardstick's: as far as a clean INT8 decoder is let, which was measured up to 1.3
LEVELS_APART = 0.01  # of two drawn channels of 60,000 values: 2.5 standard errors
CHANCES_APART = 0.1  # of a scatter, and of the RMS of 1200 values of which 8 are none
CLIP = 0.9  # of the peak
EXACT = 1e-9  # float64 bookkeeping
ALL = {**OF_SOUND, **OF_LATENTS}


def noise(seed: int, samples: int = SAMPLES) -> Array:
    return np.random.Generator(np.random.Philox(seed)).standard_normal((2, samples))


def dropout(sound: Array) -> Array:
    kept = sound.copy()
    kept[:, 9_000:9_220] = 0
    return kept


def click(sound: Array) -> Array:
    clicked = sound.copy()
    clicked[0, 777] += 1
    return clicked


def whistle(sound: Array) -> Array:
    return sound + 0.04 * np.sin(0.7 * np.arange(sound.shape[-1]))


def drift(sound: Array) -> Array:
    return sound * np.linspace(1, 1.05, sound.shape[-1])


def echo(sound: Array) -> Array:
    return sound + 0.03 * np.roll(sound, 1_323, axis=-1)


def bleeding(sound: Array) -> Array:
    """In a seventh of the time."""
    bled = sound.copy()
    bled[1, 9_000:17_000] += 0.04 * sound[0, 9_000:17_000]
    return bled


def clipped(sound: Array) -> Array:
    return np.clip(sound, -CLIP * np.abs(sound).max(), CLIP * np.abs(sound).max())


def crosstalk(sound: Array) -> Array:
    return sound + 0.03 * sound[::-1]


SEEN = {
    "worst_value": (click,), "worst_window": (dropout,), "worst_bin": (whistle,), "worst_gain": (drift,),
    "worst_echo": (echo, crosstalk), "channel_leak": (crosstalk,), "worst_leak": (bleeding, crosstalk), "worst_peak": (clipped,),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "fault"), [(name, fault) for name, faults in SEEN.items() for fault in faults],
    ids=lambda value: getattr(value, "__name__", value),
)  # fmt: skip
def test_a_fault_the_norm_hides_is_seen_beside_the_yardstick(name: str, fault: Callable[[Array], Array]) -> None:
    truth = noise(0)
    clean, yardstick = truth + NOISE * noise(1), truth + NOISE * noise(2)
    wrong = fault(clean)
    assert OF_SOUND["relative_l2"](truth, wrong) <= FOUND * OF_SOUND["relative_l2"](truth, yardstick)
    assert OF_SOUND[name](truth, clean) <= FOUND * OF_SOUND[name](truth, yardstick)
    assert OF_SOUND[name](truth, wrong) > FOUND * OF_SOUND[name](truth, yardstick)


@given(st.integers(0, 2**32), st.integers(1, 3_000), st.floats(1e-3, 1e3))
def test_equal_signals_are_no_distance_apart_and_loudness_does_not_matter(seed: int, samples: int, loud: float) -> None:
    truth, other = noise(seed, samples), noise(seed + 1, samples)
    for name, distance in ALL.items():
        assert distance(truth, truth) == 0, name
        assert distance(loud * truth, loud * other) == pytest.approx(distance(truth, other), rel=EXACT), name


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_what_is_no_number_stays_none(name: str, poison: float) -> None:
    other = noise(0)
    other[1, 77] = poison
    with np.errstate(invalid="ignore"):
        assert not np.isfinite(ALL[name](noise(0), other))


@pytest.mark.parametrize("name", ["worst_value", "worst_window", "worst_bin", "worst_frame", "worst_channel", "worst_peak"])
def test_silence_is_no_distance_from_silence_and_infinite_from_anything_else(name: str) -> None:
    silence = np.zeros((2, SAMPLES))
    assert ALL[name](silence, silence) == 0
    assert ALL[name](silence, noise(0)) == np.inf


def test_a_gain_is_no_leak_even_of_channels_that_are_alike() -> None:
    one = noise(0)
    alike = one + one[::-1] * np.array([[0.5], [0.2]])
    for name in ("channel_leak", "worst_leak"):
        assert ALL[name](alike, 1.1 * alike) <= EXACT, name
        assert ALL[name](one[:1], 1.1 * one[:1]) == 0, name


def test_a_leak_has_the_size_of_what_leaks() -> None:
    truth = noise(0)
    other = truth.copy()
    other[1] += NOISE * truth[0]
    assert ALL["channel_leak"](truth, other) == pytest.approx(NOISE, rel=LEVELS_APART)


def test_a_leak_in_one_block_of_time_has_its_size_there() -> None:
    truth = noise(0)
    other = truth.copy()
    other[1, : SAMPLES // GAIN_BLOCKS] += NOISE * truth[0, : SAMPLES // GAIN_BLOCKS]
    assert ALL["worst_leak"](truth, other) == pytest.approx(NOISE, rel=3 * LEVELS_APART)  # fewer values, more apart


def test_a_leak_that_happens_to_be_none_leaves_its_chance() -> None:
    """What leaks in one half is taken away in the other: a yardstick that errs so allows as much as one that does not."""
    truth = noise(0)
    other = truth.copy()
    other[1] += NOISE * truth[0] * np.repeat([1, -1], SAMPLES // 2)
    assert ALL["channel_leak"](truth, other) == pytest.approx(CHANCE * NOISE / np.sqrt(PIECES), rel=CHANCES_APART)


def test_a_gain_that_happens_to_be_none_leaves_its_chance() -> None:
    truth = noise(0)
    other = truth * (1 + NOISE * np.tile(np.repeat([1, -1], SAMPLES // GAIN_BLOCKS // 2), GAIN_BLOCKS))
    assert ALL["worst_gain"](truth, other) == pytest.approx(CHANCE * NOISE / np.sqrt(PIECES), rel=CHANCES_APART)


def test_peaks_that_happen_to_be_right_leave_the_error_of_what_is_as_loud() -> None:
    """So a yardstick allows no less than that."""
    truth, other = noise(0), noise(0) + NOISE * noise(1)
    loudest = np.abs(truth) >= np.sort(np.abs(truth).ravel())[-PEAK_VALUES]
    other[loudest] = truth[loudest]
    assert ALL["worst_peak"](truth, other) == pytest.approx(LOUD_CHANCE * NOISE, rel=CHANCES_APART)


def test_what_errs_both_ways_at_peaks_is_no_clip() -> None:
    truth = noise(0)
    place = np.argsort(-np.abs(truth).ravel())[:2]
    truth.flat[place] = np.abs(truth.flat[place]) * (1, -1)
    one_way, both_ways = np.zeros(truth.size), np.zeros(truth.size)
    one_way[place], both_ways[place] = NOISE, (NOISE, -NOISE)
    found = [
        ALL["worst_peak"](truth, truth + np.sign(truth) * error.reshape(truth.shape)) for error in (one_way, both_ways)
    ]
    assert found[0] == pytest.approx(np.sqrt(2) * found[1], rel=EXACT)


def test_a_flat_error_has_its_own_size_in_every_window_bin_and_channel() -> None:
    """So that the numbers can be read beside the relative L2."""
    truth = noise(0, 500_000)
    other = truth + NOISE * noise(1, 500_000)
    for name in ("worst_window", "worst_bin", "worst_channel"):
        assert NOISE <= ALL[name](truth, other) <= FOUND * NOISE, name


def test_all_channels_and_calls_count() -> None:
    """Velocities are (step, channel, frame)."""
    truth = noise(0, 96).reshape(3, 4, 16)
    for call in range(3):
        for channel in range(4):
            other = truth.copy()
            other[call, channel] *= 2
            for name, distance in OF_LATENTS.items():
                assert distance(truth, other) > 0, name


def measured(*errors: float, bad: int = 0) -> list[Measurement]:
    counted = Measurement(metric=NONFINITE, value=bad)
    return [counted, *(Measurement(metric="denoised_error", value=error, step=step) for step, error in enumerate(errors))]


def test_errors_are_pooled_over_steps_and_cases() -> None:
    found = pooled([measured(1e-2, 1e-4), measured(1e-3, 1e-3)])
    assert found is not None
    assert found.value == pytest.approx(1e-3)


def test_no_error_at_all_is_taken_for_a_rounding() -> None:
    found = pooled([measured(0.0)])
    assert found is not None
    assert found.value == pytest.approx(UNIT_ROUNDOFF)


def test_nothing_is_pooled_of_what_is_no_number_or_has_no_error() -> None:
    assert pooled([measured(1e-2), measured(bad=1)]) is None
    assert pooled([measured()]) is None
