"""Distances between a truth and another signal. numpy, float64; the first argument is always the truth.

Every distance is 0 for equal signals and grows with the error, so one comparison, `value <= limit`, serves all.
None of them hides NaN: a NaN goes in, a NaN comes out, and NaN is below no limit.
"""

import math
from dataclasses import dataclass

import numpy as np
import pyloudnorm
from numpy.typing import NDArray
from scipy.signal import stft

from reference.spec.tensors import Array

Signal = NDArray[np.float64]

STFT_WINDOWS = (256, 1024, 4096)
MEL_BANDS = 64
ENVELOPE_HZ = 100
LOUDNESS_WINDOW_S = 0.4  # the shortest block ITU-R BS.1770 integrates over
BLOCK_VALUES = 2**22
MEDIAN_VALUES = 2**20
SILENCE_POWER = 1e-10  # floor under logarithms, 100 dB below full scale


def relative_l2(truth: Array, other: Array) -> float:
    """|other - truth| / |truth|; sees gain, shift, swap and noise alike."""
    reference, error = _pair(truth, other)
    return float(np.linalg.norm(error) / np.linalg.norm(reference))


@dataclass(frozen=True, kw_only=True)
class Apart:
    """How far two tensors are apart, in the ways Model Explorer's users compare layers."""

    relative_l2: float
    snr_db: float
    max_abs: float
    median_ratio: float  # of |error| to |truth|, value by value


def apart(truth: Array, other: Array) -> Apart:
    """All of it in one pass, a block at a time: a decoder's inner tensors have 67 million values.

    The median is that of at most `MEDIAN_VALUES` values, evenly spread.
    """
    one, two = truth.reshape(-1), other.reshape(-1)
    error_power = truth_power = largest = 0.0
    for start in range(0, one.size, BLOCK_VALUES):
        reference, error = _pair(one[start : start + BLOCK_VALUES], two[start : start + BLOCK_VALUES])
        error_power, truth_power = error_power + float(error @ error), truth_power + float(reference @ reference)
        largest = float(np.maximum(largest, np.abs(error).max()))  # unlike max(), it keeps NaN
    stride = -(-one.size // MEDIAN_VALUES)
    reference, error = _pair(one[::stride], two[::stride])
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.float64(error_power) / np.float64(truth_power)
        return Apart(
            relative_l2=float(np.sqrt(ratio)),
            snr_db=float(-10 * np.log10(ratio)),
            max_abs=largest,
            median_ratio=float(np.median(np.abs(error) / np.abs(reference))),
        )


def denoised_error(denoised: Array, level: float, velocity: Array, other: Array) -> float:
    """|t dv| / |x0|: how far a wrong velocity moves the clean estimate x - t v that ping-pong is built on."""
    _, error = _pair(velocity, other)
    return float(level * np.linalg.norm(error) / np.linalg.norm(denoised.astype(np.float64)))


def snr_db(truth: Array, other: Array) -> float:
    """Signal over error, in decibels; infinite for equal signals."""
    reference, error = _pair(truth, other)
    noise = np.sum(error**2)
    return math.inf if noise == 0 else float(10 * np.log10(np.sum(reference**2) / noise))


def cosine_distance(truth: Array, other: Array) -> float:
    """1 - cosine of the angle between the two; blind to gain, so never judged alone."""
    a, b = truth.astype(np.float64).ravel(), other.astype(np.float64).ravel()
    return float(1 - a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def peak_difference(truth: Array, other: Array) -> float:
    """Difference of the largest absolute samples, relative to the truth's."""
    a, b = np.abs(truth).max(), np.abs(other).max()
    return float(abs(float(b) - float(a)) / float(a))


def clipping_difference(truth: Array, other: Array) -> float:
    """Difference of the shares of samples beyond full scale."""
    a, b = (float(np.mean(np.abs(signal) > 1.0)) for signal in (_finite(truth), _finite(other)))
    return abs(b - a)


def dc_difference(truth: Array, other: Array) -> float:
    """Largest change of a channel's mean, relative to the truth's RMS."""
    a, b = truth.astype(np.float64), other.astype(np.float64)
    return float(np.max(np.abs(b.mean(-1) - a.mean(-1))) / np.sqrt(np.mean(a**2)))


def stereo_difference(truth: Array, other: Array) -> float:
    """Change of the correlation between left and right."""
    return abs(_stereo_correlation(other) - _stereo_correlation(truth))


def log_mel_distance_db(truth: Array, other: Array, sample_rate_hz: int) -> float:
    """RMS difference of mel-band levels over time, in decibels."""
    return float(np.sqrt(np.mean((log_mel_db(other, sample_rate_hz) - log_mel_db(truth, sample_rate_hz)) ** 2)))


def log_mel_db(audio: Array, sample_rate_hz: int) -> Signal:
    """(channel, band, frame) levels in mel bands, in decibels."""
    level_db: Signal = 10 * np.log10(_mel_power(audio, sample_rate_hz) + SILENCE_POWER)
    return level_db


def mrstft_distance(truth: Array, other: Array) -> float:
    """Spectral convergence |S' - S| / |S| of magnitudes, averaged over three window lengths."""
    return float(np.mean([relative_l2(_magnitude(truth, n), _magnitude(other, n)) for n in STFT_WINDOWS]))


def envelope_decorrelation(truth: Array, other: Array, sample_rate_hz: int) -> float:
    """1 - correlation of the two RMS envelopes (one value every 10 ms)."""
    return 1 - _correlation(*(_envelope(signal, sample_rate_hz) for signal in (truth, other)))


def loudness_difference_db(truth: Array, other: Array, sample_rate_hz: int) -> float:
    """Difference of integrated loudness (ITU-R BS.1770), in decibels."""
    meter = pyloudnorm.Meter(sample_rate_hz, block_size=LOUDNESS_WINDOW_S)
    with np.errstate(invalid="ignore", divide="ignore"):  # silence is minus infinity
        a, b = (meter.integrated_loudness(signal.astype(np.float64).T) for signal in (truth, other))
    return abs(float(b) - float(a))


def listening_distances(truth: Array, other: Array, sample_rate_hz: int) -> dict[str, float]:
    """The distances that survive phase drift, for two (channel, sample) signals that diverged freely."""
    return {
        "log_mel_distance_db": log_mel_distance_db(truth, other, sample_rate_hz),
        "mrstft_distance": mrstft_distance(truth, other),
        "envelope_decorrelation": envelope_decorrelation(truth, other, sample_rate_hz),
        "loudness_difference_db": loudness_difference_db(truth, other, sample_rate_hz),
        "stereo_difference": stereo_difference(truth, other),
    }


def _pair(truth: Array, other: Array) -> tuple[Signal, Signal]:
    """Truth and error in float64, flat."""
    reference = truth.astype(np.float64).ravel()
    return reference, other.astype(np.float64).ravel() - reference


def _finite(signal: Array) -> Array:
    """The signal; NaN if any sample is not finite, because a comparison with NaN is silently false."""
    return signal if np.isfinite(signal).all() else np.full_like(signal, np.nan)


def _stereo_correlation(audio: Array) -> float:
    return _correlation(*audio.astype(np.float64))


def _correlation(a: Signal, b: Signal) -> float:
    """Pearson's; NaN where a signal does not vary, as silence does not."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.corrcoef(a, b)[0, 1])


def _magnitude(audio: Array, window: int) -> Signal:
    _, _, spectrum = stft(audio.astype(np.float64), nperseg=window)
    magnitude: Signal = np.abs(spectrum)
    return magnitude


def _mel_power(audio: Array, sample_rate_hz: int) -> Signal:
    """(channel, band, frame) power in triangular mel bands."""
    power = _magnitude(audio, 1024) ** 2
    top_mel = 2595 * np.log10(1 + sample_rate_hz / 2 / 700)
    edges_hz = 700 * (10 ** (np.linspace(0, top_mel, MEL_BANDS + 2) / 2595) - 1)
    bins_hz = np.linspace(0, sample_rate_hz / 2, power.shape[-2])
    rising = (bins_hz - edges_hz[:-2, None]) / np.diff(edges_hz)[:-1, None]
    falling = (edges_hz[2:, None] - bins_hz) / np.diff(edges_hz)[1:, None]
    bands: Signal = np.maximum(0, np.minimum(rising, falling)) @ power
    return bands


def _envelope(audio: Array, sample_rate_hz: int) -> Signal:
    """RMS over both channels, `ENVELOPE_HZ` times a second."""
    power = np.mean(audio.astype(np.float64) ** 2, axis=0)
    hop = sample_rate_hz // ENVELOPE_HZ
    frames = power[: power.size // hop * hop].reshape(-1, hop)
    envelope: Signal = np.sqrt(frames.mean(-1))
    return envelope
