"""The only place with limits, but for FP16 compute's beside it. Each has a reason and follows from the arithmetic of the file,
not from its name."""

from collections.abc import Mapping
from dataclasses import replace

from parity.measure.arithmetic import (
    AS_SAVED,
    FLOAT16,
    FP16_COMPUTE,
    HALF_COMPUTE,
    HALF_CONSTANTS,
    HALF_T5,
    HALF_WEIGHTS,
    INT4,
    INT4_GROUPS,
    INT4_WEIGHTS,
    INT8,
    INT8_CALIBRATED,
    INT8_GROUPS,
    INT8_PER_ROW,
    INT8_PER_TENSOR,
    INT8_WEIGHTS,
    PER_ROW,
    PER_TENSOR,
    REFERENCE,
    SINGLE,
    STATIC,
    Arithmetic,
)
from parity.measure.budget import AS_STORED, UNIT_ROUNDOFF, Budget, Fixed, Rounding
from parity.measure.codec_limits import CODEC_LIMITS, CODEC_STORED
from parity.measure.half_limits import HALF_LIMITS
from parity.measure.stage_budgets import StageBudget, conditioner, decoder, dit, encoder, lent, like, shaped
from parity.measure.sweep import RESPONSE
from reference.spec.stages import CONDITIONER, DECODER, DIT, ENCODER, STAGE_TABLE

SAME_BITS = Fixed(limit=0.0, why="the levels are the same bits in every pipeline")
SAME_TOKENS = Fixed(limit=0.0, why="the pipeline must hand the conditioner the ids, mask and seconds of the reference")
HANDED_ON = Fixed(limit=0.0, why="each call of the DiT gets the conditioning that the conditioner answered for it, or zeros")
SAME_CONDITIONING = Fixed(limit=0.0, why="a generation starts from the very conditioning that was judged")
ANSWERED = Fixed(limit=0.0, why="whatever changes in an input changes the answer; measured 0 of every sound mix")
KEPT = Fixed(
    limit=0.0,
    why="what keeps a divisor from being 0 has to survive in half, whose smallest normal number is 6.1e-05: CPUs that flush make "
    "0 of less",
)
FLOAT = Rounding(factor=4.0, why="4x the reference's own rounding; another order of the same arithmetic was measured up to 3.1x")

# A largest value, and a part of an error that is next to nothing, spread more than a norm.
FLOAT_SHAPE = Rounding(factor=6.0, why="6x the reference's own rounding, a largest value spreads more; measured up to 2.7x")

# A part of an error that thousands of values share: their own roundings average out.
FLOAT_LEAK = Rounding(
    factor=6.0, least=UNIT_ROUNDOFF / 4,
    why="6x the reference's own rounding, no less than a quarter of one, for many values share it; measured up to 2.2x",
)  # fmt: skip

# An encoder's deepest convolution sums 14,336 products at full size: XNNPACK one after the other, torch in blocks.
LONG_SUMS = Rounding(factor=8.0, why="8x the reference's own rounding, long sums lose more; measured up to 4.6x at full size")

# The seconds row is one dense layer of 257 inputs: products added one after the other lose 4.7 roundings of it, by the formula of
# `parity/truth/half_sums.py`, and a BLAS that adds them in parts loses as little as one.
ONE_SUM = Rounding(
    factor=4.0, least=2.4 * UNIT_ROUNDOFF,
    why="4x the reference's own rounding, taken as at least 2.4 roundings, for it may add in parts; measured up to 2.5x",
)  # fmt: skip

# What pipelines do between the stages, whatever the variant.
BETWEEN: dict[str, StageBudget] = {
    CONDITIONER: {"unequal_inputs": SAME_TOKENS},
    "sampler": {
        "level_error": SAME_BITS,
        "unequal_conditioning": HANDED_ON,
        "state_error": Fixed(limit=16 * UNIT_ROUNDOFF, why="16 float32 roundings: another order of the same arithmetic"),
    },
}
# Free-running limits are this many times what most of the disturbed generations stay below. Stages' errors add up with
# the signs they have, not with drawn ones: INT8 was measured up to 2.5x outside, all others 1.6x.
ENVELOPE_FACTOR = 4.0

# How much of the answer one rounding of a layer costs is the model's: drawn weights lose 13 roundings of the latents of silence,
# trained ones 300, for there the latents are next to nothing. Beside what coarser layers lose both are the same.
_REFERENCE, _REFERENCE_SHAPE = shaped("17_bits", 0.2, "0.02 to 0.07"), shaped("17_bits", 0.8, "0.02 to 0.27")
_FLOAT: dict[str, StageBudget] = {
    CONDITIONER: conditioner(FLOAT, ONE_SUM, FLOAT),
    DIT: dit(FLOAT, FLOAT_SHAPE, FLOAT, FLOAT_SHAPE),
    DECODER: decoder(FLOAT, FLOAT_SHAPE, FLOAT, leak=FLOAT_LEAK),
    ENCODER: encoder(LONG_SUMS, LONG_SUMS, LONG_SUMS),
}
# Of the DiT: in all, by shape, pooled, its response. Gains that are part of the
# weights, as others write them, move errors by 1.3x, their shape by 1.9x.
_INT8_DIT = (
    shaped("int8_rows", 1.7, "0.86 to 1.1"), shaped("int8_rows", 2.0, "0.73 to 1.4"),
    shaped("int8_rows", 1.4, "0.98 to 1.02"), shaped("int8_rows", 1.4, "0.97 to 1.03"),
)  # fmt: skip
_INT8_TENSOR = (
    shaped("int8_tensor", 1.9, "0.92 to 1.05"), shaped("int8_tensor", 1.9, "0.81 to 1.1"),
    shaped("int8_tensor", 1.4, "0.98 to 1.02"), shaped("int8_tensor", 1.35, "0.97 to 1.03"),
)  # fmt: skip
_INT8_ONLY = (
    shaped("int8_weights", 1.7, "1.0"), shaped("int8_weights", 2.2, "1.0"),
    shaped("int8_weights", 1.4, "1.0"), shaped("int8_weights", 1.5, "1.0"),
)  # fmt: skip
_INT4_ONLY = (
    shaped("int4_weights", 1.7, "0.96 to 1.06"), shaped("int4_weights", 2.2, "0.86 to 1.04"),
    shaped("int4_weights", 1.4, "0.97 to 1.03"), shaped("int4_weights", 2.0, "0.97 to 1.5"),
)  # fmt: skip
# Of the weights of a whole file, as MLX rounds them: it moves a group's grid so that zero is exact, and may cut off a step there.
_GROUPS = {
    name: (shaped(name, 1.5, "1.0"), shaped(name, 2.0, "1.0"), shaped(name, 1.4, "1.0"), shaped(name, 1.5, "1.0"))
    for name in ("int8_groups", "int4_groups")
}


_HALF_WEIGHTS: dict[str, StageBudget] = {
    CONDITIONER: conditioner(
        like("fp16_weights", 0.3, 1.6, "0.64 to 0.83"),
        like("fp16_weights", 0.06, 2.0, "0.16 to 1.0"),
        shaped("fp16_weights", 1.2, "0.64 to 0.83"),
    ),
    DIT: dit(
        like("fp16_weights", 0.3, 2.0, "0.67 to 1.1"),
        shaped("fp16_weights", 2.0, "0.46 to 1.2"),
        shaped("fp16_weights", 1.4, "0.79 to 0.92"), shaped("fp16_weights", 1.4, "0.43 to 0.59"),
    ),
    DECODER: decoder(
        like("fp16_weights", 0.4, 1.6, "0.77 to 1.0"),
        shaped("fp16_weights", 1.6, "0.51 to 0.92"),
        shaped("fp16_weights", 1.5, "0.77 to 1.0"),
        leak=shaped("fp16_weights", 4.0, "1.2 to 2.2"), peak=shaped("fp16_weights", 2.4, "0.49 to 0.9"),
    ),
    ENCODER: encoder(
        like("fp16_weights", 0.3, 1.6, "0.66 to 1.0"),
        shaped("fp16_weights", 2.0, "0.54 to 0.96"),
        shaped("fp16_weights", 1.5, "0.66 to 1.0"),
    ),
}

# By what the very file stores, layer by layer.
_STORED = (
    shaped(AS_STORED, 1.7, "0.6 to 1.25"), shaped(AS_STORED, 2.0, "0.36 to 1.6"),
    shaped(AS_STORED, 1.4, "0.7 to 1.05"), shaped(AS_STORED, 1.5, "0.75 to 1.24"),
)  # fmt: skip
STORED: Mapping[str, StageBudget] = {
    CONDITIONER: conditioner(_STORED[0], _STORED[1], _STORED[2]),
    DIT: dit(*_STORED),
    DECODER: decoder(*_STORED[:3]),
    ENCODER: encoder(*_STORED[:3]),
    **CODEC_STORED,
}

# A calibrated range is as wide as the widest that was looked at, and what layers answer is rounded, too.
_CALIBRATED, _CALIBRATED_SHAPE = shaped(AS_STORED, 5.0, "1.2 to 3.2"), shaped(AS_STORED, 7.0, "0.6 to 3.5")

_GENERATORS: Mapping[Arithmetic, dict[str, StageBudget]] = {
    REFERENCE: {
        CONDITIONER: conditioner(_REFERENCE, _REFERENCE, _REFERENCE),
        DIT: dit(_REFERENCE, _REFERENCE_SHAPE, _REFERENCE, None),
        DECODER: decoder(_REFERENCE, _REFERENCE_SHAPE, _REFERENCE),
        ENCODER: encoder(_REFERENCE, _REFERENCE_SHAPE, _REFERENCE),
    },
    SINGLE: _FLOAT,
    HALF_T5: {
        **_FLOAT,
        CONDITIONER: conditioner(like("fp16", 0.4, 2.0, "0.85 to 1.2"), ONE_SUM, shaped("fp16", 1.5, "0.85 to 1.2")),
    },
    **HALF_LIMITS,
    HALF_WEIGHTS: _HALF_WEIGHTS,
    HALF_CONSTANTS: {  # the number embedder's frequencies, too, which litert-torch's casting leaves
        **_HALF_WEIGHTS,
        CONDITIONER: conditioner(
            like("fp16_constants", 0.5, 1.7, "1.0"), like("fp16_constants", 0.3, 2.0, "1.0"),
            shaped("fp16_constants", 1.4, "1.0"),
        ),
    },
    INT8_PER_ROW: lent(
        {
            DIT: dit(*_INT8_DIT),
            DECODER: decoder(
                like("int8_decoder", 0.45, 1.6, "1.0"), shaped("int8_decoder", 1.9, "0.51 to 1.3"),
                shaped("int8_decoder", 1.4, "1.0"), peak=shaped("int8_decoder", 2.6, "0.86 to 1.6"),
                leak=shaped("int8_decoder", 3.2, "0.55 to 1.8"),
            ),
        },
        *_INT8_DIT[:2],
    ),
    INT8_PER_TENSOR: lent({DIT: dit(*_INT8_TENSOR)}, *_INT8_TENSOR[:2]),
    INT8_WEIGHTS: lent({DIT: dit(*_INT8_ONLY)}, *_INT8_ONLY[:2]),
    INT8_CALIBRATED: {
        CONDITIONER: conditioner(_CALIBRATED, _CALIBRATED, _CALIBRATED),
        DIT: dit(_CALIBRATED, _CALIBRATED_SHAPE, _CALIBRATED, _CALIBRATED),
        DECODER: decoder(_CALIBRATED, _CALIBRATED_SHAPE, _CALIBRATED, peak=shaped(AS_STORED, 10.0, "0.9 to 4.9")),
        ENCODER: encoder(_CALIBRATED, _CALIBRATED_SHAPE, _CALIBRATED),
    },
    INT4_WEIGHTS: lent({DIT: dit(*_INT4_ONLY)}, *_INT4_ONLY[:2]),
    INT8_GROUPS: lent({DIT: dit(*_GROUPS["int8_groups"])}, *_GROUPS["int8_groups"][:2]),
    INT4_GROUPS: lent({DIT: dit(*_GROUPS["int4_groups"])}, *_GROUPS["int4_groups"][:2]),
}  # fmt: skip

# What a stage is held to, by its arithmetic and name.
LIMITS: Mapping[Arithmetic, dict[str, StageBudget]] = {
    arithmetic: {**stages, **CODEC_LIMITS[arithmetic]} for arithmetic, stages in _GENERATORS.items()
}


def as_stored(stage: str, metric: str) -> list[Budget]:
    """What a number about a stage may be, too, where its file stores the layers in ways that no named arithmetic stands for: what
    is stored so errs, and floats round. Nothing where the arithmetic makes no difference."""
    found = [STORED[stage][metric], LIMITS[SINGLE][stage][metric]]
    return [budget for budget in found if not isinstance(budget, Fixed)]

# Of the reference each call is held to its loss in the whole answer. What that is worth of its response depends on the model: 228
# roundings where the response is 2.9 % of the answer (tiny), 926 where it is 1.0 % (full size).
UNLIMITED = {(REFERENCE, DIT, RESPONSE)}


def limits(stage: str, metric: str, arithmetic: Arithmetic) -> Budget:
    """What a number about a stage is held to. Raises KeyError where nobody said what a stage or metric may be."""
    return LIMITS[nearest(arithmetic)][stage][metric]


def unlimited(stage: str, metric: str, arithmetic: Arithmetic) -> bool:
    """Whether a number about a stage is for others to be measured along, and held to nothing itself."""
    return (nearest(arithmetic), stage, metric) in UNLIMITED


def nearest(arithmetic: Arithmetic) -> Arithmetic:
    """The arithmetic with limits of its own that errs most like this one: where two reduce precision, the coarser. What a loader
    rounded is on both sides of every limit, for yardsticks and truth then hold the same weights."""
    arithmetic = replace(arithmetic, loaded=AS_SAVED)
    if arithmetic in LIMITS:
        return arithmetic
    if arithmetic.weights == INT4:
        return INT4_GROUPS if arithmetic.grouped else INT4_WEIGHTS
    if arithmetic.activations == STATIC:  # be it of a few layers
        return INT8_CALIBRATED
    if arithmetic.weights == INT8:
        fed = {PER_ROW: INT8_PER_ROW, PER_TENSOR: INT8_PER_TENSOR}
        return fed.get(arithmetic.activations, INT8_GROUPS if arithmetic.grouped else INT8_WEIGHTS)
    if arithmetic.compute == FP16_COMPUTE:
        return replace(HALF_COMPUTE, halves=arithmetic.halves)
    return HALF_WEIGHTS if arithmetic.weights == FLOAT16 else SINGLE


def check_complete() -> None:
    """Raise KeyError if any arithmetic lacks limits for a stage; called before a single test is collected."""
    missing = [f"{stage} at {arithmetic}" for arithmetic, found in LIMITS.items() for stage in STAGE_TABLE if stage not in found]
    if missing:
        raise KeyError(f"no limits for {'; '.join(missing)}: add them to LIMITS in parity/measure/limits.py, with a reason")
