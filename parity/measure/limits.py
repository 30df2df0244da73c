"""The only place with limits. Each has a reason and follows from the arithmetic of the file, not from its name."""

from collections.abc import Mapping
from dataclasses import replace

from parity.measure.arithmetic import (
    FLOAT16,
    FP16_COMPUTE,
    HALF_COMPUTE,
    HALF_CONSTANTS,
    HALF_T5,
    HALF_WEIGHTS,
    INT4,
    INT4_WEIGHTS,
    INT8,
    INT8_PER_ROW,
    INT8_PER_TENSOR,
    INT8_WEIGHTS,
    PER_ROW,
    PER_TENSOR,
    REFERENCE,
    SINGLE,
    Arithmetic,
)
from parity.measure.budget import UNIT_ROUNDOFF, Budget, Fixed, Following, Rounding
from reference.spec.stages import ALL_STAGES, CONDITIONER, DECODER, DIT, ENCODER

StageBudget = dict[str, Budget]

SAME_BITS = Fixed(limit=0.0, why="the levels are the same bits in every pipeline")
SAME_TOKENS = Fixed(limit=0.0, why="the pipeline must hand the conditioner the ids, mask and seconds of the reference")
SAME_CONDITIONING = Fixed(limit=0.0, why="a generation starts from the very conditioning that was judged")
ZERO = Fixed(limit=0.0, why="rows of padding are zero vectors, exactly")
NONE = Fixed(limit=0.0, why="one such value is a fault")
FLOAT = Rounding(factor=4.0, why="4x the reference's own rounding; another order of the same arithmetic was measured up to 2.6x")

# An encoder's deepest convolution sums 14,336 products at full size: XNNPACK one after the other, torch in blocks.
LONG_SUMS = Rounding(factor=8.0, why="8x the reference's own rounding, long sums lose more; measured up to 4.6x at full size")

# What pipelines do between the stages, whatever the variant.
BETWEEN: dict[str, StageBudget] = {
    CONDITIONER: {"unequal_inputs": SAME_TOKENS},
    "sampler": {
        "level_error": SAME_BITS,
        "state_error": Fixed(limit=16 * UNIT_ROUNDOFF, why="16 float32 roundings: another order of the same arithmetic"),
    },
}

# Free-running limits are this many times what most of the disturbed generations stay below. Stages' errors add up with
# the signs they have, not with drawn ones: INT8 was measured up to 2.5x outside, all others 1.6x.
ENVELOPE_FACTOR = 4.0


def _reference(roundings: int) -> Fixed:
    """The reference's own float32 loss; a reference that loses more is no yardstick."""
    return Fixed(limit=roundings * UNIT_ROUNDOFF, why=f"{roundings} float32 roundings; measured a sixth of that")


def _like(yardstick: str, low_factor: float, factor: float, measured: str) -> Following:
    """`measured` is the range of variant over yardstick over all cases on the tiny model."""
    why = f"{low_factor:g} to {factor:g} times the reference's error at {yardstick}; measured {measured} times"
    return Following(yardstick=yardstick, low_factor=low_factor, factor=factor, why=why)


def _up_to(limit: float, measured: float) -> Fixed:
    """One side: a difference of two numbers may well be zero."""
    return Fixed(limit=limit, why=f"measured up to {measured:.1e}")


def _conditioner(prompt: Budget, seconds: Budget) -> StageBudget:
    return {
        "nonfinite_values": NONE,
        "padding_peak": ZERO,
        "relative_l2.prompt_rows": prompt,
        "relative_l2.seconds": seconds,
    }


def _dit(denoised: Budget) -> StageBudget:
    return {"nonfinite_values": NONE, "denoised_error": denoised}


def _decoder(waveform: Budget, peak: Budget, dc: Budget, stereo: Budget) -> StageBudget:
    return {
        "nonfinite_values": NONE,
        "relative_l2": waveform,
        "peak_difference": peak,
        "dc_difference": dc,
        "stereo_difference": stereo,
    }


def _encoder(latents: Budget) -> StageBudget:
    return {"nonfinite_values": NONE, "relative_l2": latents}


# Peak, DC and stereo differences of float variants are single numbers that cross zero, so the reference's own value
# is no yardstick for them; these limits are about ten times the largest measured.
_PEAK = Fixed(limit=1e-5, why="measured up to 8e-7")
_DC = Fixed(limit=1e-6, why="measured up to 1e-7")
_STEREO = Fixed(limit=2e-7, why="measured up to 1.7e-8")

_FLOAT: dict[str, StageBudget] = {
    CONDITIONER: _conditioner(FLOAT, FLOAT),
    DIT: _dit(FLOAT),
    DECODER: _decoder(FLOAT, _PEAK, _DC, _STEREO),
    ENCODER: _encoder(LONG_SUMS),
}
_INT8_DIT = _like("int8_rows", 0.45, 1.9, "0.84 to 1.2")
# Peak and DC were measured on a decoder whose first and last convolution are INT8, too, as somebody else's may be.
_INT8_PEAKS = (_up_to(7e-2, 2.2e-2), _up_to(3e-2, 9.4e-3), _up_to(1e-2, 3.5e-3))


def _nearest(budget: Following, of: str = "the DiT") -> Following:
    """A budget measured on one stage, lent to others until they have been measured."""
    return replace(budget, why=f"{budget.why}; of {of}, not measured on this stage")


def _lent(measured: dict[str, StageBudget], budget: Following) -> dict[str, StageBudget]:
    """Budgets of all stages at an arithmetic: those measured, and `budget` for the others."""
    lent = _nearest(budget)
    others = {
        CONDITIONER: _conditioner(lent, lent),
        DIT: _dit(lent),
        DECODER: _decoder(lent, *_INT8_PEAKS),
        ENCODER: _encoder(lent),
    }
    return others | measured


_INT8_TENSOR = _like("int8_tensor", 0.45, 1.9, "0.92 to 1.05")
_INT8_ONLY = _like("int8_weights", 0.4, 2.2, "0.79 to 1.3")
_INT4_ONLY = _like("int4_weights", 0.4, 2.2, "0.84 to 1.3")

_HALF_WEIGHTS: dict[str, StageBudget] = {
    CONDITIONER: _conditioner(
        _like("fp16_weights", 0.3, 1.6, "0.64 to 0.83"), _like("fp16_weights", 0.06, 2.0, "0.16 to 1.0")
    ),
    DIT: _dit(_like("fp16_weights", 0.3, 2.0, "0.67 to 1.1")),
    DECODER: _decoder(
        _like("fp16_weights", 0.4, 1.6, "0.77 to 0.80"),
        _up_to(2.5e-3, 6.8e-4),
        _up_to(5e-4, 1.4e-4),
        _up_to(1e-4, 2.7e-5),
    ),
    ENCODER: _encoder(_like("fp16_weights", 0.3, 1.6, "0.66 to 0.78")),
}

# What a stage is held to, by its arithmetic and name.
LIMITS: Mapping[Arithmetic, dict[str, StageBudget]] = {
    REFERENCE: {
        CONDITIONER: _conditioner(_reference(32), _reference(32)),
        DIT: _dit(_reference(64)),
        DECODER: _decoder(_reference(128), _PEAK, _DC, _STEREO),
        ENCODER: _encoder(_reference(64)),
    },
    SINGLE: _FLOAT,
    HALF_T5: {**_FLOAT, CONDITIONER: _conditioner(_like("fp16", 0.4, 2.0, "0.85 to 1.2"), FLOAT)},
    # XNNPACK emulates FP16 here; arithmetic that also accumulates in FP16 errs more, so there is more room.
    HALF_COMPUTE: {
        CONDITIONER: _conditioner(_like("fp16", 0.2, 2.0, "0.55 to 0.68"), _like("fp16", 0.2, 6.0, "0.72 to 2.2")),
        DIT: _dit(_like("fp16", 0.4, 5.0, "1.1 to 1.7")),
        DECODER: _decoder(
            _like("fp16", 0.4, 3.5, "1.1 to 1.2"), _up_to(5e-3, 2.3e-3), _up_to(1.5e-3, 3.8e-4), _up_to(5e-4, 1.1e-4)
        ),
        ENCODER: _encoder(_like("fp16", 0.4, 3.5, "1.0 to 1.3")),
    },
    HALF_WEIGHTS: _HALF_WEIGHTS,
    HALF_CONSTANTS: {  # the number embedder's frequencies, too, which litert-torch's casting leaves
        **_HALF_WEIGHTS,
        CONDITIONER: _conditioner(
            _like("fp16_weights", 0.5, 1.7, "1.0"), _like("fp16_weights", 0.3, 4.0, "1.0 to 2.3")
        ),
    },
    INT8_PER_ROW: _lent(
        {DIT: _dit(_INT8_DIT), DECODER: _decoder(_like("int8_decoder", 0.45, 1.6, "1.0"), *_INT8_PEAKS)}, _INT8_DIT
    ),
    INT8_PER_TENSOR: _lent({DIT: _dit(_INT8_TENSOR)}, _INT8_TENSOR),
    INT8_WEIGHTS: _lent({DIT: _dit(_INT8_ONLY)}, _INT8_ONLY),
    INT4_WEIGHTS: _lent({DIT: _dit(_INT4_ONLY)}, _INT4_ONLY),
}  # fmt: skip


def limits(stage: str, metric: str, arithmetic: Arithmetic) -> Budget:
    """What a number about a stage is held to. Raises KeyError where nobody said what a stage or metric may be."""
    return LIMITS[nearest(arithmetic)][stage][metric]


def nearest(arithmetic: Arithmetic) -> Arithmetic:
    """The arithmetic with limits of its own that errs most like this one: where two reduce precision, the coarser."""
    if arithmetic in LIMITS:
        return arithmetic
    if arithmetic.weights == INT4:
        return INT4_WEIGHTS
    if arithmetic.weights == INT8:
        return {PER_ROW: INT8_PER_ROW, PER_TENSOR: INT8_PER_TENSOR}.get(arithmetic.activations, INT8_WEIGHTS)
    if arithmetic.compute == FP16_COMPUTE:
        return HALF_COMPUTE
    return HALF_WEIGHTS if arithmetic.weights == FLOAT16 else SINGLE


def check_complete() -> None:
    """Raise KeyError if any arithmetic lacks limits for a stage; called before a single test is collected."""
    missing = [f"{stage} at {arithmetic}" for arithmetic, stages in LIMITS.items() for stage in ALL_STAGES if stage not in stages]
    if missing:
        raise KeyError(f"no limits for {'; '.join(missing)}: add them to LIMITS in parity/measure/limits.py, with a reason")
