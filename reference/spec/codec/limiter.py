"""An output limiter that looks ahead: peaks stay under a ceiling, quiet audio stays as it is.

Source: the limiter of Stable Audio 3's exported decoders (stable-audio-3 pull request 99).
"""

import numpy as np

from reference.spec.tensors import Array

CEILING = 0.977  # -0.2 dBFS
BLOCK = 64  # samples that share a gain
REACH = 4  # blocks on each side that a peak also turns down
SILENT = 1e-12


def limited(audio: Array) -> Array:
    """(..., channel, sample) audio with its peaks at the ceiling; every channel is turned down alike.

    A peak has an effect from 480 samples before it to 543 after it.
    """
    samples = audio.shape[-1]
    envelope = np.abs(audio).max(axis=-2)
    blocks = -(-samples // BLOCK)
    padded = _padded(envelope, 0, blocks * BLOCK - samples, constant=True)
    peak = padded.reshape(*envelope.shape[:-1], blocks, BLOCK).max(axis=-1).astype(np.float64)
    gain = np.minimum(1, CEILING / np.maximum(peak, SILENT))
    lowest = _windows(_padded(gain, REACH, REACH)).min(axis=-1)
    smooth = _windows(_padded(lowest, REACH, REACH)) @ _weights()
    # From float64, so that what has no peak is multiplied by exactly 1.
    return np.asarray(audio * _per_sample(smooth.astype(np.float32))[..., None, :samples], audio.dtype)


def _weights() -> Array:
    """A Hann window over the blocks in reach, its ends zero, its sum 1."""
    hann = np.hanning(2 * REACH + 1)
    return np.asarray(hann / hann.sum())


def _padded(x: Array, before: int, after: int, constant: bool = False) -> Array:
    """Continued with the values at the ends, or with zeros."""
    pads = [(0, 0)] * (x.ndim - 1) + [(before, after)]
    return np.pad(x, pads) if constant else np.pad(x, pads, mode="edge")


def _windows(x: Array) -> Array:
    return np.lib.stride_tricks.sliding_window_view(x, 2 * REACH + 1, axis=-1)


def _per_sample(gain: Array) -> Array:
    """One gain per sample, linear between the middles of the blocks and level outside of the outermost."""
    blocks = gain.shape[-1]
    place = np.clip((np.arange(blocks * BLOCK) + 0.5) / BLOCK - 0.5, 0, blocks - 1)
    low = np.minimum(place.astype(int), max(0, blocks - 2))
    high = np.minimum(low + 1, blocks - 1)
    share = (place - low).astype(np.float32)
    return np.asarray(gain[..., low] * (1 - share) + gain[..., high] * share)
