"""Resampling by a windowed sinc, number for number as torchaudio's `Resample` with its defaults does it.

Source: torchaudio 2.11 `functional._get_sinc_resample_kernel` and `_apply_sinc_resample_kernel`; the method is Julius O.
Smith's, "Digital Audio Resampling".
"""

import math
from collections.abc import Callable

import numpy as np

from reference.spec.errors import InputError
from reference.spec.tensors import Array

ZEROS, ROLLOFF = 6, 0.99  # zero crossings on each side; share of the band that is kept
MOST_TAPS = 2**23  # of a kernel: 32 MB; 44100 Hz against a rate without a common divisor would need 2**31
Read = Callable[[int, int], Array]  # samples from one to before another, (channel, sample)
BLOCK_VALUES = 2**22  # of input gathered at a time


def resampled(audio: Array, rate_hz: int, wanted_rate_hz: int) -> Array:
    """(channel, sample) float32 audio at another rate; its length is ceil(samples * wanted / rate).

    torchaudio takes that ceiling in float32, so beyond 2**23 samples it may give one sample less. Raises InputError for
    rates whose ratio needs a kernel that does not fit.
    """
    if rate_hz == wanted_rate_hz:
        return audio
    old, new, reach = _steps(rate_hz, wanted_rate_hz)
    return _apply(audio, sinc_kernel(old, new, reach), old, reach)


def resampled_part(read: Read, samples: int, rate_hz: int, wanted_rate_hz: int, start: int, stop: int) -> Array:
    """Samples `start` to `stop` of what `resampled` makes of a sound of so many `samples`, of which only those are read that
    matter; `stop` may be no more than its resampled length."""
    if rate_hz == wanted_rate_hz:
        return read(start, stop)
    old, new, reach = _steps(rate_hz, wanted_rate_hz)
    first = max(0, start // new - math.ceil(reach / old))  # the block of phases to begin with
    last = -(-stop // new)
    part = resampled(read(first * old, min(samples, last * old + reach)), rate_hz, wanted_rate_hz)
    return part[:, start - first * new : stop - first * new]


def _steps(rate_hz: int, wanted_rate_hz: int) -> tuple[int, int, int]:
    """How many samples become how many others at a time, and how many the kernel reaches beyond."""
    divisor = math.gcd(rate_hz, wanted_rate_hz)
    old, new = rate_hz // divisor, wanted_rate_hz // divisor
    reach = math.ceil(ZEROS * old / (min(old, new) * ROLLOFF))
    if new * (2 * reach + old) > MOST_TAPS:
        raise InputError(
            f"sample rate {rate_hz} Hz has too little in common with {wanted_rate_hz} Hz to be resampled exactly; "
            "expected a usual rate such as 48000, resample it first"
        )
    return old, new, reach


def resampled_length(samples: int, rate_hz: int, wanted_rate_hz: int) -> int:
    """Samples at the wanted rate that hold so many at the other."""
    return -(-samples * wanted_rate_hz // rate_hz)


def sinc_kernel(old: int, new: int, reach: int) -> Array:
    """One row of taps per output phase, float32 (new, 2 * reach + old): a sinc under a Hann window.

    The phases are divided in float32, as torch divides integers, and all else is float64.
    """
    cutoff = min(old, new) * ROLLOFF
    phase = (-np.arange(new).astype(np.float32) / np.float32(new)).astype(np.float64)
    time = phase[:, None] + np.arange(-reach, reach + old, dtype=np.float64)[None, :] / old
    time = np.clip(time * cutoff, -ZEROS, ZEROS)
    window = np.cos(time * math.pi / ZEROS / 2) ** 2
    return np.asarray(np.sinc(time) * window * (cutoff / old), np.float32)


def _apply(audio: Array, kernel: Array, old: int, reach: int) -> Array:
    """Every `old` input samples become as many output samples as the kernel has phases."""
    channels, samples = audio.shape
    phases, taps = kernel.shape
    padded = np.pad(audio.astype(np.float32, copy=False), ((0, 0), (reach, reach + old)))
    gathered = np.lib.stride_tricks.sliding_window_view(padded, taps, axis=1)[:, ::old]
    count = gathered.shape[1]
    out = np.empty((channels, count, phases), np.float32)
    block = max(1, BLOCK_VALUES // taps)
    for start in range(0, count, block):
        out[:, start : start + block] = gathered[:, start : start + block] @ kernel.T
    return np.ascontiguousarray(out.reshape(channels, -1)[:, : resampled_length(samples, old, phases)])
