"""Distances between a truth and another signal. numpy, float64; the first argument is always the truth.

Every distance is 0 for equal signals and grows with the error, so one comparison, `value <= limit`, serves all.
None of them hides NaN: a NaN goes in, a NaN comes out, and NaN is below no limit.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reference.spec.tensors import Array

Signal = NDArray[np.float64]

BLOCK_VALUES = 2**22
MEDIAN_VALUES = 2**20


def relative_l2(truth: Array, other: Array) -> float:
    """|other - truth| / |truth|; sees gain, shift, swap and noise alike. 0 for silence in the place of silence."""
    reference, error = _pair(truth, other)
    size = np.linalg.norm(error)
    with np.errstate(divide="ignore"):
        return 0.0 if size == 0 else float(size / np.linalg.norm(reference))


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
        ratio = np.float64(error_power) / np.float64(truth_power) if error_power else np.float64(0)
        ratios = np.where(error == 0, 0.0, np.abs(error) / np.abs(reference))  # 0/0 is no error
        return Apart(
            relative_l2=float(np.sqrt(ratio)),
            snr_db=float(-10 * np.log10(ratio)),
            max_abs=largest,
            median_ratio=float(np.median(ratios)),
        )


def denoised_error(beside: Array, reach: float, output: Array, other: Array) -> float:
    """How far a wrong output of the DiT moves the clean estimate that the sampler builds on, relative to `beside`.

    `reach` is the objective's, of the step's level: |t dv| / |beside| for rectified flow.
    """
    _, error = _pair(output, other)
    return float(reach * np.linalg.norm(error) / np.linalg.norm(beside.astype(np.float64)))


def snr_db(truth: Array, other: Array) -> float:
    """Signal over error, in decibels; infinite for equal signals."""
    reference, error = _pair(truth, other)
    noise = np.sum(error**2)
    return math.inf if noise == 0 else float(10 * np.log10(np.sum(reference**2) / noise))


def cosine_distance(truth: Array, other: Array) -> float:
    """1 - cosine of the angle between the two; blind to gain, so never judged alone."""
    a, b = truth.astype(np.float64).ravel(), other.astype(np.float64).ravel()
    return float(1 - a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def stereo_correlation(audio: Array) -> float:
    """Correlation of left and right of a (channel, sample) signal."""
    return correlation(*audio.astype(np.float64))


def correlation(a: Signal, b: Signal) -> float:
    """Pearson's; 0 where a signal does not vary, as silence does not: it has nothing to share. NaN where one is not finite."""
    with np.errstate(invalid="ignore", divide="ignore"):
        found = float(np.corrcoef(a, b)[0, 1])
    undefined = np.isnan(found) and np.isfinite(a).all() and np.isfinite(b).all()
    return 0.0 if undefined else found


def _pair(truth: Array, other: Array) -> tuple[Signal, Signal]:
    """Truth and error in float64, flat."""
    reference = truth.astype(np.float64).ravel()
    return reference, other.astype(np.float64).ravel() - reference
