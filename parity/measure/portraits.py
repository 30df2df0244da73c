"""What survives when two generations drift apart: distances between sounds that no longer agree sample by sample.

Everything about a sound is in its portrait, because a truth is compared with many.
"""

from dataclasses import dataclass

import numpy as np
import pyloudnorm
from scipy.signal import stft

from parity.measure.metrics import Signal, correlation, stereo_correlation
from reference.spec.tensors import Array

MEL_WINDOW, MEL_BANDS = 1024, 64
ENVELOPE_HZ = 100
# ITU-R BS.1770's weighting by frequency: gain in dB, Q and corner in Hz of the head's shelf and of the high pass.
SHELF, HIGH_PASS = ("high_shelf", 4.0, 0.5**0.5, 1500.0), ("high_pass", 0.0, 0.5, 38.0)
OFFSET_DB = -0.691  # so that a sine of 997 Hz is as loud as it is high
SILENCE_POWER = 1e-10  # floor under logarithms, 100 dB below full scale


@dataclass(frozen=True, kw_only=True)
class Portrait:
    """A (channel, sample) sound as it is heard.

    `log_mel_db` (channel, band, frame) are its levels in mel bands, `envelope` its RMS `ENVELOPE_HZ` times a second,
    `loudness_db` its loudness over all its time (ITU-R BS.1770, ungated), minus infinity for silence.
    """

    log_mel_db: Signal
    envelope: Signal
    loudness_db: float
    stereo_correlation: float


def portrait(audio: Array, sample_rate_hz: int) -> Portrait:
    """Of a sound."""
    samples = audio.astype(np.float64)
    return Portrait(
        log_mel_db=_log_mel_db(np.abs(stft(samples, nperseg=MEL_WINDOW)[2]), sample_rate_hz),
        envelope=_envelope(samples, sample_rate_hz),
        loudness_db=_loudness_db(samples, sample_rate_hz),
        stereo_correlation=stereo_correlation(samples),
    )


def audible_distances(truth: Portrait, other: Portrait) -> dict[str, float]:
    """The distances that survive phase drift; all are 0 for equal sounds, and NaN where a sound holds one."""
    return {
        "log_mel_distance_db": log_mel_distance_db(truth, other),
        "envelope_decorrelation": _decorrelation(truth.envelope, other.envelope),
        "loudness_difference_db": _difference_db(truth.loudness_db, other.loudness_db),
        "stereo_difference": abs(other.stereo_correlation - truth.stereo_correlation),
    }


def log_mel_distance_db(truth: Portrait, other: Portrait) -> float:
    """RMS difference of mel-band levels over time, in decibels."""
    return float(np.sqrt(np.mean((other.log_mel_db - truth.log_mel_db) ** 2)))


def _log_mel_db(magnitude: Signal, sample_rate_hz: int) -> Signal:
    """(channel, band, frame) levels in triangular mel bands."""
    power = np.ascontiguousarray(magnitude**2)  # BLAS takes no strides
    top_mel = 2595 * np.log10(1 + sample_rate_hz / 2 / 700)
    edges_hz = 700 * (10 ** (np.linspace(0, top_mel, MEL_BANDS + 2) / 2595) - 1)
    bins_hz = np.linspace(0, sample_rate_hz / 2, power.shape[-2])
    rising = (bins_hz - edges_hz[:-2, None]) / np.diff(edges_hz)[:-1, None]
    falling = (edges_hz[2:, None] - bins_hz) / np.diff(edges_hz)[1:, None]
    bands = np.maximum(0, np.minimum(rising, falling)) @ power
    level_db: Signal = 10 * np.log10(bands + SILENCE_POWER)
    return level_db


def _loudness_db(samples: Signal, sample_rate_hz: int) -> float:
    """Minus infinity for silence; NaN where a sample is not finite.

    Source: ITU-R BS.1770, annex 1, without its gates: they are there for gaps in a programme, and in the one sound of a
    generation a block on a gate's edge makes loudness leap.
    """
    peak = float(np.abs(samples).max())
    if not np.isfinite(peak) or peak == 0:
        return float("nan") if peak else float("-inf")
    heard = samples / peak
    for weighting in (SHELF, HIGH_PASS):
        heard = pyloudnorm.IIRfilter(*weighting[1:], sample_rate_hz, weighting[0]).apply_filter(heard)
    power = float(np.mean(np.square(heard), axis=-1).sum())
    return OFFSET_DB + 10 * float(np.log10(power)) + 20 * float(np.log10(peak))


def _difference_db(truth: float, other: float) -> float:
    """Of two levels; silence is as loud as silence."""
    return 0.0 if truth == other else abs(other - truth)


def _decorrelation(truth: Signal, other: Signal) -> float:
    """0 for equal envelopes, those of silence among them; 1 where only one of them varies."""
    return 0.0 if np.array_equal(truth, other) else 1 - correlation(truth, other)


def _envelope(samples: Signal, sample_rate_hz: int) -> Signal:
    """RMS over both channels."""
    power = np.mean(samples**2, axis=0)
    hop = sample_rate_hz // ENVELOPE_HZ
    frames = power[: power.size // hop * hop].reshape(-1, hop)
    envelope: Signal = np.sqrt(frames.mean(-1))
    return envelope
