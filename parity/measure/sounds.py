"""Sounds that a codec is judged on: what people code, and what they code by accident."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.random import Generator, Philox

from reference.spec.tensors import Array

SEED = 20
NOISE_RMS, MUSIC_PEAK = 0.1, 0.7
CHORD_HZ = (110.0, 164.81, 220.0, 277.18, 329.63)
BEAT_S, DECAY_S = 0.37, 0.15
LONGEST_S = 8.0  # what is longer begins anew: it needs no more


def music(channels: int, samples: int, rate_hz: int) -> Array:
    """Plucked notes of a chord, one after the other and each where it is heard from, over a little noise."""
    times = np.arange(samples) % int(LONGEST_S * rate_hz) / rate_hz
    sound = 0.002 * _stream(1).standard_normal((channels, samples))
    for place, note_hz in enumerate(CHORD_HZ):
        since = (times - place * BEAT_S / len(CHORD_HZ)) % BEAT_S
        note = np.exp(-since / DECAY_S) * (np.sin(2 * np.pi * note_hz * since) + 0.3 * np.sin(6 * np.pi * note_hz * since))
        sound += np.linspace(1 - place / 6, 1 / 6 + place / 6, channels)[:, None] * note
    return _float32(MUSIC_PEAK * sound / np.abs(sound).max())


def silence(channels: int, samples: int, rate_hz: int) -> Array:
    """Nothing."""
    return np.zeros((channels, samples), np.float32)


def full_scale(channels: int, samples: int, rate_hz: int) -> Array:
    """Noise of which every sample is as loud as samples are."""
    return _float32(_stream(2).choice((-1.0, 1.0), (channels, samples)))


def sweep(channels: int, samples: int, rate_hz: int) -> Array:
    """A sine from nothing to half the Nyquist frequency, in one channel later than in the other."""
    places = np.linspace(0, 1, samples) + np.linspace(0, 0.1, channels)[:, None]
    return _float32(0.9 * np.sin(np.pi * samples / 4 * places**2))


def noise(channels: int, samples: int, rate_hz: int) -> Array:
    """Noise at a usual level."""
    return _float32(NOISE_RMS * _stream(3).standard_normal((channels, samples)))


SOUNDS: Mapping[str, Callable[[int, int, int], Array]] = {
    "music": music, "silence": silence, "full scale": full_scale, "sweep": sweep, "noise": noise,
}  # fmt: skip


def _stream(number: int) -> Generator:
    return Generator(Philox(key=[SEED, number]))


def _float32(sound: Array) -> Array:
    return np.ascontiguousarray(sound, np.float32)
