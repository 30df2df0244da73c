"""The shape of an error, which its norm hides: where in time and frequency it is worst, and how much of it is the truth again.

Signals are (..., channel, time), the truth first: a decoder's audio, an encoder's latents, the velocities of all steps. Every
number is relative to the truth's RMS, 0 for equal signals, and NaN where a signal holds one; numpy, float64.
"""

from itertools import permutations

import numpy as np

from parity.measure.metrics import Signal
from reference.spec.tensors import Array

WINDOW_SAMPLES = 256  # 5.8 ms at 44.1 kHz: shorter than what is heard as an event of its own
BIN_SAMPLES = 1024  # bins of 43 Hz at 44.1 kHz
GAIN_BLOCKS = 8  # of a sound: short enough for a fade, long enough that noise of its own error averages out
ALIKE = 1e-9  # relative: channels that are no farther apart are one, at another loudness
PEAK_VALUES = 8  # what a limiter reaches of a sound: peaks are rare
# A part of an error is one number, which may happen to be next to nothing: in a kick drum all loud values lie in one half wave.
# It counts as at least so many of its standard errors, as its shares in so many pieces of time scatter.
CHANCE, PIECES = 2.0, 64
LOUD, LOUD_CHANCE = 0.01, 3.0  # share of the values that are as loud as peaks, and how many of their RMS errors peaks count as


def worst_value(truth: Array, other: Array) -> float:
    """The largest error of a single value: a click."""
    exact, error = _pair(truth, other)
    return _relative(np.abs(error).max(), exact)


def worst_window(truth: Array, other: Array, width: int = WINDOW_SAMPLES) -> float:
    """The largest RMS error in `width` steps of time, over all channels: a dropout, a seam, a fade."""
    exact, error = _pair(truth, other)
    power = np.mean(_in_windows(np.square(error), width), axis=(-3, -1))
    return _relative(np.sqrt(power.max()), exact)


def worst_channel(truth: Array, other: Array) -> float:
    """The largest RMS error of one channel, over all times and calls: one wrong row of a last layer."""
    exact, error = _pair(truth, other)
    power = np.mean(np.square(error), axis=tuple(axis for axis in range(error.ndim) if axis != error.ndim - 2))
    return _relative(np.sqrt(power.max()), exact)


def worst_bin(truth: Array, other: Array) -> float:
    """The largest level of one frequency in the error's averaged spectrum (Welch's, Hann windows that overlap by half).

    Scaled as if all frequencies were as loud: white noise gives its RMS, and a tone far more.
    """
    exact, error = _pair(truth, other)
    hann = np.hanning(BIN_SAMPLES + 1)[:-1]
    halves = (_in_windows(error[..., start:], BIN_SAMPLES) for start in (0, BIN_SAMPLES // 2))
    powers = [np.mean(np.square(np.abs(np.fft.rfft(windows * hann))), axis=-2) for windows in halves if windows.size]
    return _relative(np.sqrt(np.mean(powers, axis=0).max() / np.sum(hann**2)), exact)


def worst_gain(truth: Array, other: Array, blocks: int = GAIN_BLOCKS) -> float:
    """The largest part of a channel's error that is that channel of the truth itself, in one of `blocks` of time: a gain.

    All calls are taken together. What is drawn anew at every value averages out, so a gain is seen far below the noise.
    """
    exact, error = _pair(truth, other)
    width = -(-exact.shape[-1] // blocks)
    rows = [_joined(_in_windows(signal, width)) for signal in (exact, error)]
    return _relative(_along(*rows).max() / np.sqrt(rows[0].shape[-1]), exact)


def worst_echo(truth: Array, other: Array) -> float:
    """The largest part of a channel's error that is some channel of the truth, however late: an echo, a pan, a crosstalk.

    By cross-correlation over all lags, around the end.
    """
    exact, error = _pair(truth, other)
    spectra, length = (np.fft.rfft(signal) for signal in (exact, error)), exact.shape[-1]
    heard, wrong = spectra
    along = np.array([
        np.abs(np.fft.irfft(into * source.conj(), length)).max() for into in wrong for source in heard
    ])  # fmt: skip
    return _relative(along.max() / _rms(exact) / length if along.max() else 0.0, exact)


def channel_leak(truth: Array, other: Array) -> float:
    """The largest part of a channel's error that is another channel of the truth: narrow stereo, or channels that change places.

    What the two share is no part of it, so a gain is none. Without the lags that an echo is looked for at, far less stands out.
    """
    exact, error = _pair(truth, other)
    return _relative(np.max(_leaks(exact, error, 1), initial=0.0), exact)


def worst_leak(truth: Array, other: Array) -> float:
    """The same in the block of time where it is largest."""
    exact, error = _pair(truth, other)
    return _relative(np.max(_leaks(exact, error, GAIN_BLOCKS), initial=0.0), exact)


def worst_peak(truth: Array, other: Array, values: int = PEAK_VALUES) -> float:
    """How far the loudest values are too quiet, or too loud, together: a limiter, a clip, an overflow.

    Of the loudest one, two and so on to `values` of all channels the largest sum of errors that go away from zero, as a multiple
    of what noise of RMS 1 sums up to; at least `LOUD_CHANCE` times the RMS error of all that is about as loud, and twice that of
    the whole sound.
    """
    exact, error = _pair(truth, other)
    outwards = (np.sign(exact) * error).ravel()[_loudest(exact, values)]
    sums = np.abs(np.cumsum(outwards)) / np.sqrt(np.arange(1, outwards.size + 1))
    about_as_loud = error.ravel()[_loudest(exact, max(values, round(LOUD * exact.size)))]
    chance = np.maximum(LOUD_CHANCE * _rms(about_as_loud), 2 * _rms(error))
    return _relative(float(np.maximum(sums.max(), chance)), exact)  # keeps NaN


def _loudest(signal: Signal, count: int) -> Array:
    """Where the largest values of a signal are, the largest first."""
    size = np.abs(signal).ravel()
    count = min(count, size.size)
    few = np.argpartition(size, -count)[-count:]
    order: Array = few[np.argsort(-size[few], kind="stable")]
    return order


def _leaks(exact: Signal, error: Signal, blocks: int) -> Signal:
    """(pair of channels, block of time): the part of one channel's error that is the other channel, its RMS."""
    width = -(-exact.shape[-1] // blocks)
    sources, wrong = (_in_windows(signal, width) for signal in (exact, error))
    pairs = list(permutations(range(exact.shape[0]), 2))
    found = [
        _along(_beside(sources[source], sources[into]), _beside(wrong[into], sources[into])) / np.sqrt(width)
        for into, source in pairs
    ]
    return np.reshape(found, (len(pairs), sources.shape[-2]))


def _beside(signal: Signal, other: Signal) -> Signal:
    """What of each row (..., value) of a signal is no multiple of the other's row; nothing where that is but rounding."""
    shared = _over(np.sum(signal * other, axis=-1), np.sum(np.square(other), axis=-1))
    left = signal - shared[..., None] * other
    alike = np.sum(np.square(left), axis=-1) <= ALIKE**2 * np.sum(np.square(signal), axis=-1)
    return np.where(alike[..., None], 0.0, left)


def _along(direction: Signal, error: Signal) -> Signal:
    """The part of each row (..., value) of an error that goes one way, but no less than what it may be by chance."""
    shares = _in_windows(direction * error, -(-error.shape[-1] // PIECES)).sum(-1)
    part = np.maximum(np.abs(shares.sum(-1)), CHANCE * np.sqrt(np.square(shares).sum(-1)))
    return _over(part, np.sqrt(np.sum(np.square(direction), axis=-1)))


def _joined(windows: Signal) -> Signal:
    """(channel, window, value) of all calls, one after the other, of (..., channel, window, width)."""
    calls = windows.reshape(-1, *windows.shape[-3:])
    return np.moveaxis(calls, 0, 2).reshape(*calls.shape[1:3], -1)


def _pair(truth: Array, other: Array) -> tuple[Signal, Signal]:
    """Truth and error in float64."""
    exact = truth.astype(np.float64)
    return exact, other.astype(np.float64) - exact


def _in_windows(signal: Signal, width: int) -> Signal:
    """(..., channel, window, width); the last window is filled up with zeros."""
    count = -(-signal.shape[-1] // width)
    padding = [(0, 0)] * (signal.ndim - 1) + [(0, count * width - signal.shape[-1])]
    return np.pad(signal, padding).reshape(*signal.shape[:-1], count, width)


def _rms(signal: Signal) -> float:
    return float(np.sqrt(np.mean(np.square(signal))))


def _over(parts: Signal, wholes: Signal) -> Signal:
    """The quotients; where nothing is divided by nothing, nothing."""
    quotients: Signal = np.divide(parts, wholes, out=np.zeros_like(parts), where=(parts != 0) | np.isnan(wholes))
    return quotients


def _relative(error: float, exact: Signal) -> float:
    """Of the truth's RMS; no error is none, even of silence, and any other error of silence is infinite."""
    with np.errstate(divide="ignore"):
        return float(_over(np.array(error, np.float64), np.array(_rms(exact))))
