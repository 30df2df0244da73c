"""The comparison notices: every metric sees its fault, NaN fails, and limits are two-sided."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.measure.arithmetic import HALF_COMPUTE, SINGLE
from parity.measure.budget import UNIT_ROUNDOFF
from parity.measure.limits import FLOAT, LIMITS, check_complete, limits
from parity.measure.portraits import audible_distances, portrait
from parity.measure.teacher_forcing import Measurement, measure, unequal_numbers, unequal_values
from parity.measure.verdict import TEACHER_FORCED, Verdict
from reference.spec.sampling.objective import FLOW
from reference.spec.tensors import Array

RATE_HZ = 44_100
FP16_ERROR = 4e-3  # relative L2 of a decoder in FP16
EXACT = 1e-12  # what float64 bookkeeping may add to a distance of a signal to itself


def music(seed: int = 0) -> Array:
    """A second of stereo noise whose level and colour change."""
    rng = np.random.Generator(np.random.Philox(seed))
    swell = np.linspace(0.05, 0.3, RATE_HZ)
    left = swell * rng.standard_normal(RATE_HZ)
    return np.stack([left, 0.5 * left + swell * rng.standard_normal(RATE_HZ)]).astype(np.float32)


def gain(audio: Array) -> Array:
    return audio * np.float32(1.05)


def swap_channels(audio: Array) -> Array:
    return audio[::-1]


def shift_one_sample(audio: Array) -> Array:
    return np.roll(audio, 1, axis=-1)


def flip_polarity(audio: Array) -> Array:
    return -audio


def add_dc(audio: Array) -> Array:
    return audio + np.float32(0.01)


def silence(audio: Array) -> Array:
    return np.zeros_like(audio)


def overdrive(audio: Array) -> Array:
    return audio * np.float32(4)


def reverse_time(audio: Array) -> Array:
    return audio[:, ::-1]


def mono(audio: Array) -> Array:
    return np.repeat(audio[:1], 2, axis=0)


DECODER_FAULTS = {
    "relative_l2": (gain, swap_channels, shift_one_sample, flip_polarity, silence),
    "worst_value": (overdrive, silence),
    "worst_window": (overdrive, silence),
    "worst_bin": (add_dc,),
    "worst_gain": (gain, flip_polarity),
    "worst_echo": (shift_one_sample, swap_channels, mono),
    "channel_leak": (swap_channels, mono),
    "worst_leak": (swap_channels, mono),
    "worst_peak": (gain, flip_polarity, overdrive, silence),
}
LISTENING_FAULTS: dict[str, tuple[Callable[[Array], Array], ...]] = {
    "log_mel_distance_db": (overdrive, silence, reverse_time, mono),
    "envelope_decorrelation": (reverse_time,),
    "loudness_difference_db": (gain, overdrive, silence),
    "stereo_difference": (mono,),
}


@pytest.mark.parametrize(
    ("metric", "fault"), [(m, f) for m, faults in DECODER_FAULTS.items() for f in faults],
    ids=lambda value: getattr(value, "__name__", value),
)  # fmt: skip
def test_decoder_metric_sees(metric: str, fault: Callable[[Array], Array]) -> None:
    truth = music()
    found = measure("decoder", {"audio": truth[None]}, [{"audio": fault(truth)[None]}], FLOW)
    value = next(m.value for m in found if m.metric == metric)
    assert not value <= limits("decoder", metric, HALF_COMPUTE).limits(FP16_ERROR)[1]


def heard_apart(truth: Array, other: Array) -> dict[str, float]:
    return audible_distances(portrait(truth, RATE_HZ), portrait(other, RATE_HZ))


@pytest.mark.parametrize(
    ("metric", "fault"), [(m, f) for m, faults in LISTENING_FAULTS.items() for f in faults],
    ids=lambda value: getattr(value, "__name__", value),
)  # fmt: skip
def test_listening_metric_sees(metric: str, fault: Callable[[Array], Array]) -> None:
    truth = music()
    small = truth + np.float32(1e-3) * music(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        faulty = heard_apart(truth, fault(truth))[metric]
    assert not faulty <= 4 * heard_apart(truth, small)[metric]


def test_equal_audio_has_no_distance() -> None:
    distances = heard_apart(music(), music())
    assert {name: value for name, value in distances.items() if abs(value) > EXACT} == {}


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_one_bad_sample_is_counted_and_nothing_else_is_said(poison: float) -> None:
    truth, other = music(), music()
    other[1, 77] = poison
    assert measure("decoder", {"audio": truth[None]}, [{"audio": other[None]}], FLOW) == [
        Measurement(metric="nonfinite_values", value=1)
    ]


VERDICT = Verdict(
    stage="dit", variant="litert_int8", case="drums", ladder=TEACHER_FORCED, metric="denoised_error", step=3,
    value=0.5, limit=1.0, low_limit=0.1, why="measured",
)  # fmt: skip


@pytest.mark.parametrize(
    ("value", "ok"),
    [(0.1, True), (0.5, True), (1.0, True), (0.099, False), (1.001, False), (math.nan, False), (math.inf, False)],
)
def test_limits_are_two_sided_and_nan_fails(value: float, ok: bool) -> None:
    assert replace(VERDICT, value=value).ok is ok


@pytest.mark.parametrize(
    ("value", "words"),
    [(2.0, "denoised_error is 2, allowed at most 1"), (0.01, "denoised_error is 0.01, expected at least 0.1")],
)
def test_a_verdict_explains_itself(value: float, words: str) -> None:
    text = str(replace(VERDICT, value=value))
    assert words in text
    assert text.startswith("dit/litert_int8/drums step 3, teacher-forced")


@given(st.floats(min_value=0, max_value=1, allow_subnormal=False))
def test_a_float_budget_never_asks_for_less_than_one_rounding(yardstick: float) -> None:
    low, high = FLOAT.limits(yardstick)
    assert low == 0.0
    assert high >= FLOAT.factor * UNIT_ROUNDOFF


def test_every_arithmetic_has_limits_and_a_missing_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    check_complete()
    monkeypatch.delitem(LIMITS[SINGLE], "dit")
    with pytest.raises(KeyError, match="no limits for dit at float32 weights"):
        check_complete()


def test_unequal_values_counts_single_bits() -> None:
    first = [{"velocity": np.array([1.0, -0.0, 3.0], np.float32)}]
    again = [{"velocity": np.array([1.0, 0.0, np.nextafter(np.float32(3), np.float32(4))], np.float32)}]
    assert unequal_values(first, first) == 0
    assert unequal_values(first, again) == 2


def test_unequal_numbers_takes_zero_without_its_sign_and_what_is_no_number_for_itself_only() -> None:
    first = {"cond": np.array([0.0, np.nan, np.nan, 1.0, np.inf], np.float32)}
    again = {"cond": np.array([-0.0, -np.nan, 2.0, np.nan, -np.inf], np.float32), "more": np.zeros(1)}
    assert unequal_numbers(first, first) == 0
    assert unequal_numbers(first, again) == 3


PLACES = ("cross_attention_cond", "global_cond")  # of the embedded seconds


def conditioning() -> dict[str, Array]:
    """Two rows of prompt, a padded one, and the row of seconds, which is the global conditioning, too."""
    rows = np.random.Generator(np.random.Philox(0)).standard_normal((1, 4, 8))
    rows[:, 2] = 0
    return {"cross_attention_cond": rows, "global_cond": rows[:, 3].copy()}


def seconds_apart(truth: dict[str, Array], answer: dict[str, Array]) -> float:
    mask = {"attention_mask": np.array([[1, 1, 0]], np.int32)}
    found = measure("conditioner", truth | mask, [answer], FLOW)
    return next(one.value for one in found if one.metric == "relative_l2.seconds")


@pytest.mark.parametrize("place", PLACES)
def test_seconds_are_right_only_where_both_of_their_places_are(place: str) -> None:
    """One wrong half is not covered by the other, nor is one that a spoiled truth leaves without a number."""
    answer, spoiled = conditioning(), conditioning()
    assert seconds_apart(conditioning(), answer) == 0
    answer[place][..., -1:, :] *= 2
    assert seconds_apart(conditioning(), answer) == pytest.approx(1)
    spoiled[place][..., -1:, :] = math.nan
    assert math.isnan(seconds_apart(spoiled, conditioning()))
