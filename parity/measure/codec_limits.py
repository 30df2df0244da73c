"""Limits of a codec's halves, by arithmetic. Each has a reason and was measured on the tiny codec, of which `measured` tells."""

from collections.abc import Mapping

from parity.measure.arithmetic import (
    HALF_COMPUTE,
    HALF_CONSTANTS,
    HALF_T5,
    HALF_WEIGHTS,
    INT4_WEIGHTS,
    INT8_CALIBRATED,
    INT8_PER_ROW,
    INT8_PER_TENSOR,
    INT8_WEIGHTS,
    REFERENCE,
    SINGLE,
    Arithmetic,
)
from parity.measure.budget import AS_STORED, UNIT_ROUNDOFF, Budget, Fixed, Rounding
from parity.measure.stage_budgets import StageBudget, decoder, encoder, reference, shaped
from reference.spec.stages import SAME_DECODER, SAME_ENCODER

FLOAT = Rounding(factor=4.0, why="4x the reference's own rounding; another order of the same arithmetic was measured up to 2.6x")
FLOAT_SHAPE = Rounding(factor=6.0, why="6x the reference's own rounding, a largest value spreads more; measured up to 2.3x")
# Two sums of the same numbers in another place of a batch.
SEAMS = Fixed(limit=16 * UNIT_ROUNDOFF, why="16 float32 roundings: where a window begins changes no number; measured 0")

def codec(whole: Budget, shape: Budget, pooled: Budget) -> dict[str, StageBudget]:
    """Both halves alike: the error of a window, its shape, and all windows together."""
    return {SAME_ENCODER: encoder(whole, shape, pooled), SAME_DECODER: decoder(whole, shape, pooled)}


FLOAT_CODEC = codec(FLOAT, FLOAT_SHAPE, FLOAT)


def following(yardstick: str, whole: float, shape: float, pooled: float, measured: str) -> dict[str, StageBudget]:
    """Limits along what the reference errs by at an arithmetic."""
    return codec(shaped(yardstick, whole, measured), shaped(yardstick, shape, measured), shaped(yardstick, pooled, measured))


_HALF_WEIGHTS = following("fp16_weights", 1.6, 2.0, 1.2, "?")
CODEC_STORED = following(AS_STORED, 1.7, 2.0, 1.4, "?")
CODEC_LIMITS: Mapping[Arithmetic, dict[str, StageBudget]] = {
    REFERENCE: codec(reference(64), reference(512), reference(64)),
    SINGLE: FLOAT_CODEC,
    HALF_T5: FLOAT_CODEC,
    HALF_COMPUTE: following("fp16", 3.5, 3.5, 3.0, "?"),
    HALF_WEIGHTS: _HALF_WEIGHTS,
    HALF_CONSTANTS: _HALF_WEIGHTS,
    INT8_PER_ROW: following("int8_rows", 1.7, 2.0, 1.4, "?"),
    INT8_PER_TENSOR: following("int8_tensor", 1.9, 2.0, 1.4, "?"),
    INT8_WEIGHTS: following("int8_weights", 1.7, 2.2, 1.4, "?"),
    INT8_CALIBRATED: following(AS_STORED, 5.0, 7.0, 5.0, "?"),
    INT4_WEIGHTS: following("int4_weights", 1.7, 2.2, 1.4, "?"),
}
