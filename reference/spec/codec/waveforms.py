"""Waveforms as users have them, checked and made one batch as an encoder takes it.

Source: stable-audio-tools 0.0.20 `preprocess_audio_list_for_encoder` and `prepare_audio`: resample each, pad all with
silence to the longest, then convert channels. What these take in silence and get wrong is refused here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from reference.spec.codec.resample import resampled
from reference.spec.codec.shape import CodecShape
from reference.spec.errors import InputError
from reference.spec.tensors import Array, finite_in_float32

Waveforms = Array | Sequence[Array]
Rates = int | Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """float32 (item, audio channel, sample): whole groups of frames. `lengths` are the items' own, in samples at the codec's
    rate."""

    audio: Array
    lengths: tuple[int, ...]


def batched(audio: Waveforms, sample_rate_hz: Rates, shape: CodecShape) -> Batch:
    """One waveform or several, of whatever length and rate each, as one batch.

    A waveform is (sample,), (channel, sample) or (1, channel, sample) of floats; a 3-D array is a batch of them. Raises
    InputError for anything else, naming the item.
    """
    items = _items(audio)
    rates = _rates(sample_rate_hz, len(items))
    checked = [_checked(item, f"waveform {index}") for index, item in enumerate(items)]
    at_rate = [
        resampled(item, rate_hz, shape.sample_rate_hz) for item, rate_hz in zip(checked, rates, strict=True)
    ]
    lengths = tuple(item.shape[1] for item in at_rate)
    samples = shape.aligned(shape.frames(max(lengths))) * shape.ratio
    batch = np.zeros((len(at_rate), shape.audio_channels, samples), np.float32)
    for row, item in zip(batch, at_rate, strict=True):
        row[:, : item.shape[1]] = with_channels(item, shape.audio_channels)
    return Batch(audio=batch, lengths=lengths)


def with_channels(audio: Array, channels: int) -> Array:
    """(channel, sample) audio as a stereo model takes it, mono doubled and what is beyond two left out, or the mean for mono."""
    if channels == 1:
        return np.asarray(audio.mean(axis=0, keepdims=True))
    return np.repeat(audio, channels, axis=0) if audio.shape[0] == 1 else audio[:channels]


def _items(audio: Waveforms) -> list[Array]:
    if isinstance(audio, np.ndarray):
        items = list(audio) if audio.ndim == 3 else [audio]
    elif isinstance(audio, (list, tuple)):
        items = list(audio)
    else:
        raise InputError(f"audio is {type(audio).__name__}, expected a numpy array or a list of them")
    if not items:
        raise InputError("audio is empty, expected at least one waveform")
    return items


def _rates(given: Any, count: int) -> list[int]:
    rates = list(given) if isinstance(given, (list, tuple)) else [given] * count
    if len(rates) != count:
        raise InputError(f"{len(rates)} sample rates were given for {count} waveforms, expected one, or one for each")
    return [_rate(rate) for rate in rates]


def _rate(rate: Any) -> int:
    fine = isinstance(rate, Real) and not isinstance(rate, bool) and math.isfinite(rate)
    if not fine or rate != int(rate) or rate < 1:
        raise InputError(f"sample rate is {rate!r}, expected a whole number of Hz, such as 44100")
    return int(rate)


def _checked(item: Any, name: str) -> Array:
    """The item as float32 (channel, sample)."""
    if not isinstance(item, np.ndarray):
        raise InputError(f"{name} is {type(item).__name__}, expected a numpy array")
    if item.dtype.kind != "f":
        raise InputError(f"{name} is {item.dtype}, expected floats from -1 to 1; divide integers by their full scale")
    if item.ndim == 3 and item.shape[0] == 1:
        item = item[0]
    item = item[None] if item.ndim == 1 else item
    if item.ndim != 2:
        raise InputError(f"{name} has shape {list(item.shape)}, expected (sample,) or (channel, sample)")
    if not item.size:
        raise InputError(f"{name} has shape {list(item.shape)} and holds no samples; expected some")
    if item.shape[0] > item.shape[1]:
        raise InputError(
            f"{name} has shape {list(item.shape)}, more channels than samples; expected (channel, sample), transpose it"
        )
    if not finite_in_float32(item):
        raise InputError(f"{name} holds NaN or infinity, expected finite samples")
    return np.asarray(item, np.float32)
