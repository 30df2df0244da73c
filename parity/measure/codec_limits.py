"""Limits of a codec's halves, by arithmetic: measured on both tiny codecs, over 16 drawn windows and the cases."""

from collections.abc import Mapping

from parity.measure.arithmetic import (
    HALF_COMPUTE,
    HALF_CONSTANTS,
    HALF_SUMS,
    HALF_T5,
    HALF_WEIGHTS,
    INT4_GROUPS,
    INT4_WEIGHTS,
    INT8_CALIBRATED,
    INT8_GROUPS,
    INT8_PER_ROW,
    INT8_PER_TENSOR,
    INT8_WEIGHTS,
    NO_HALVES,
    REFERENCE,
    SINGLE,
    Arithmetic,
)
from parity.measure.budget import AS_STORED, UNIT_ROUNDOFF, Budget, Fixed, Rounding
from parity.measure.stage_budgets import StageBudget, decoder, drawn, encoder, shaped
from reference.spec.stages import SAME_DECODER, SAME_ENCODER

FLOAT = Rounding(factor=4.0, why="4x the reference's own rounding; another order of the same arithmetic was measured up to 1.4x")
FLOAT_SHAPE = Rounding(factor=6.0, why="6x the reference's own rounding, a largest value spreads more; measured up to 2.8x")
# Between windows that begin elsewhere. A chunk's positions begin with the chunk; in a band they begin with the window, and sines
# of other positions round otherwise.
SEAMS = Fixed(limit=16 * UNIT_ROUNDOFF, why="16 float32 roundings: where a window begins changes no number; measured 0")
MOVED = 2.0
TOGETHER_WHY = (
    f"{MOVED:g}x what the error itself may be: a layer rounds what it is fed by one scale for all of it, which is the window's; "
    "measured 0.07x"
)
MOVED_WHY = f"{MOVED:g}x what the error itself may be: positions count from a window's start, and round otherwise; measured 0.25x"


def codec(whole: Budget, shape: Budget, pooled: Budget) -> dict[str, StageBudget]:
    """Both halves alike: the error of a window, its shape, and all windows together."""
    return {SAME_ENCODER: encoder(whole, shape, pooled), SAME_DECODER: decoder(whole, shape, pooled)}


def lent(yardstick: str, whole: float, shape: float, pooled: float) -> dict[str, StageBudget]:
    """Limits of an arithmetic that no codec was measured at."""
    return codec(*(shaped(yardstick, factor, "none, as no codec was stored so,") for factor in (whole, shape, pooled)))


_FLOAT = codec(FLOAT, FLOAT_SHAPE, FLOAT)
_HALF_WEIGHTS = codec(
    shaped("fp16_weights", 1.2, "0.41 to 0.73"), shaped("fp16_weights", 1.6, "0.06 to 1.0"),
    shaped("fp16_weights", 1.1, "0.41 to 0.73"),
)  # fmt: skip
CODEC_STORED = lent(AS_STORED, 1.7, 2.0, 1.4)
CODEC_LIMITS: Mapping[Arithmetic, dict[str, StageBudget]] = {
    REFERENCE: codec(
        shaped("17_bits", 0.2, "0.02 to 0.07"), shaped("17_bits", 0.8, "0.02 to 0.24"), shaped("17_bits", 0.2, "0.04 to 0.07"),
    ),
    SINGLE: _FLOAT,
    HALF_T5: _FLOAT,
    # XNNPACK emulates FP16 here; arithmetic that also accumulates in FP16 errs more, so there is more room.
    HALF_COMPUTE: codec(
        shaped("fp16", 3.5, "0.92 to 1.8"), shaped("fp16", 4.5, "0.43 to 2.9"), shaped("fp16", 3.0, "1.3 to 1.4")
    ),
    # As AVX-512 FP16 computes, beside four drawings. Layers that are fed the same in every frame, as by new tokens, round alike.
    HALF_SUMS: {
        SAME_ENCODER: encoder(
            shaped("fp16_half_sums", 2.2, "0.75 to 1.6"), drawn("fp16_half_sums", 3.6, "0.55 to 2.6"),
            shaped("fp16_half_sums", 1.6, "1.1 to 1.2"),
        ),
        SAME_DECODER: decoder(
            shaped("fp16_half_sums", 1.7, "0.97 to 1.2"), drawn("fp16_half_sums", 4.0, "0.07 to 3.0"),
            shaped("fp16_half_sums", 1.6, "1.0 to 1.1"), peak=shaped("fp16_half_sums", 6.0, "0.54 to 4.3"),
        ),
    },
    NO_HALVES: lent("fp16_weights", 2.6, 3.2, 2.1),
    HALF_WEIGHTS: _HALF_WEIGHTS,
    HALF_CONSTANTS: lent("fp16_weights", 1.7, 2.0, 1.4),
    INT8_PER_ROW: codec(
        shaped("int8_rows", 1.4, "0.87 to 1.02"), shaped("int8_rows", 1.7, "0.94 to 1.2"), shaped("int8_rows", 1.15, "1.0")
    ),
    INT8_PER_TENSOR: lent("int8_tensor", 2.4, 2.5, 1.8),
    INT8_WEIGHTS: codec(
        shaped("int8_weights", 1.3, "0.99 to 1.0"), shaped("int8_weights", 1.4, "1.0"), shaped("int8_weights", 1.15, "1.0")
    ),
    INT8_CALIBRATED: lent(AS_STORED, 5.0, 7.0, 5.0),
    INT4_WEIGHTS: lent("int4_weights", 2.2, 2.8, 1.8),
    INT8_GROUPS: lent("int8_groups", 2.0, 2.6, 1.8),
    INT4_GROUPS: lent("int4_groups", 2.0, 2.6, 1.8),
}  # fmt: skip
