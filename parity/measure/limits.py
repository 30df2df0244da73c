"""The only place with limits. Each has a reason; a variant without a budget for a metric fails at collection.

Three kinds. `Rounding`: a float variant may err as much as a small multiple of what the reference itself loses in
float32, on the same case and step. `Following`: a variant of reduced precision may err about as much as the reference
does at that precision (`parity/truth/precision.py`), and not much less, which would mean that the precision was never reduced.
`Fixed`: counts, and differences of single numbers, which have no such yardstick.
"""

from dataclasses import dataclass

from parity.runtimes import VARIANTS, YARDSTICK
from reference.spec.stages import ALL_STAGES

UNIT_ROUNDOFF = 2.0**-24  # half a float32 step: what rounding the exact answer once may cost


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """The same limits for every case and step."""

    limit: float
    why: str
    yardstick: str = YARDSTICK

    def limits(self, yardstick: float) -> tuple[float, float]:
        """(low, high)."""
        return 0.0, self.limit


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """`factor` times the reference's own float32 error for the same output, at least one rounding's worth."""

    factor: float
    why: str
    yardstick: str = YARDSTICK

    def limits(self, yardstick: float) -> tuple[float, float]:
        """(low, high); `yardstick` is the reference's float32 error."""
        return 0.0, self.factor * max(yardstick, UNIT_ROUNDOFF)


@dataclass(frozen=True, kw_only=True)
class Following:
    """Between `low_factor` and `factor` times the error of the reference at the precision called `yardstick`."""

    yardstick: str
    low_factor: float
    factor: float
    why: str

    def limits(self, yardstick: float) -> tuple[float, float]:
        """(low, high); `yardstick` is the error of the reference at that precision."""
        return self.low_factor * yardstick, self.factor * yardstick


Budget = Fixed | Rounding | Following
StageBudget = dict[str, Budget]

SAME_BITS = Fixed(limit=0.0, why="the levels are the same bits in every pipeline")
SAME_TOKENS = Fixed(limit=0.0, why="the pipeline must hand the conditioner the ids, mask and seconds of the reference")
ZERO = Fixed(limit=0.0, why="rows of padding are zero vectors, exactly")
NONE = Fixed(limit=0.0, why="one such value is a fault")
FLOAT = Rounding(factor=4.0, why="4x the reference's own rounding; another order of the same arithmetic was measured up to 2.6x")

# An encoder's deepest convolution sums 14,336 products at full size: XNNPACK one after the other, torch in blocks.
LONG_SUMS = Rounding(factor=8.0, why="8x the reference's own rounding, long sums lose more; measured up to 4.6x at full size")

# What pipelines do between the stages, whatever the variant.
BETWEEN: dict[str, StageBudget] = {
    "conditioner": {"unequal_inputs": SAME_TOKENS},
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
        "relative_l2.seconds_row": seconds,
        "relative_l2.global_cond": seconds,
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
    "conditioner": _conditioner(FLOAT, FLOAT),
    "dit": _dit(FLOAT),
    "decoder": _decoder(FLOAT, _PEAK, _DC, _STEREO),
    "encoder": _encoder(LONG_SUMS),
}
# XNNPACK emulates FP16 here; arithmetic that also accumulates in FP16 errs more, so there is more room.
_FP16_COMPUTE: dict[str, StageBudget] = {
    "conditioner": _conditioner(_like("fp16", 0.2, 2.0, "0.55 to 0.68"), _like("fp16", 0.2, 6.0, "0.72 to 2.2")),
    "dit": _dit(_like("fp16", 0.4, 5.0, "1.1 to 1.7")),
    "decoder": _decoder(
        _like("fp16", 0.4, 3.5, "1.1 to 1.2"), _up_to(5e-3, 2.3e-3), _up_to(1.5e-3, 3.8e-4), _up_to(5e-4, 1.1e-4)
    ),
    "encoder": _encoder(_like("fp16", 0.4, 3.5, "1.0 to 1.3")),
}
_FP16_WEIGHTS: dict[str, StageBudget] = {
    "conditioner": _conditioner(
        _like("fp16_weights", 0.3, 1.6, "0.64 to 0.83"), _like("fp16_weights", 0.06, 2.0, "0.16 to 1.0")
    ),
    "dit": _dit(_like("fp16_weights", 0.3, 2.0, "0.67 to 1.1")),
    "decoder": _decoder(
        _like("fp16_weights", 0.4, 1.6, "0.77 to 0.80"), _up_to(2.5e-3, 6.8e-4), _up_to(5e-4, 1.4e-4), _up_to(1e-4, 2.7e-5)
    ),
    "encoder": _encoder(_like("fp16_weights", 0.3, 1.6, "0.66 to 0.78")),
}

_INT8_DIT = _dit(_like("int8_rows", 0.45, 1.9, "0.84 to 1.2"))
# Peak and DC were measured on a decoder whose first and last convolution are INT8, too, as somebody else's may be.
_INT8_DECODER = _decoder(
    _like("int8_decoder", 0.45, 1.6, "1.0"), _up_to(7e-2, 2.2e-2), _up_to(3e-2, 9.4e-3), _up_to(1e-2, 3.5e-3)
)

# What each variant's stages are held to; a stage that is not named is held to what a float stage is.
_VARIANTS: dict[str, dict[str, StageBudget]] = {
    YARDSTICK: {
        "conditioner": _conditioner(_reference(32), _reference(32)),
        "dit": _dit(_reference(64)),
        "decoder": _decoder(_reference(128), _PEAK, _DC, _STEREO),
        "encoder": _encoder(_reference(64)),
    },
    "torch_upstream": {"conditioner": _conditioner(_like("fp16", 0.4, 2.0, "0.85 to 1.2"), FLOAT)},
    "onnx_fp32": {},
    "onnx_int8": {"dit": _dit(_like("int8_tensor", 0.45, 1.9, "0.92 to 1.05"))},
    "litert_plain": {},
    "litert_fp32": {},
    "litert_windowed": {},
    "litert_fp32_builtin": {},
    "litert_fp32_interpreter": {},
    "litert_fp16": _FP16_COMPUTE,
    "litert_fp16_weights": _FP16_WEIGHTS,
    "litert_int8": {
        "dit": _INT8_DIT,
        "decoder": _FP16_COMPUTE["decoder"],
        "encoder": _FP16_COMPUTE["encoder"],
    },
    "litert_int8_weight_only": {"dit": _dit(_like("int8_weights", 0.4, 2.2, "0.79 to 1.3"))},
    "litert_int8_decoder": {"decoder": _INT8_DECODER},
    "litert_int8_fast": {"dit": _INT8_DIT, "decoder": _INT8_DECODER},
    "litert_onnx2tf": {},
    "litert_onnx2tf_float16": {  # it also rounds the number embedder's frequencies, which litert-torch's casting leaves
        "conditioner": _conditioner(
            _like("fp16_weights", 0.5, 1.7, "1.0"), _like("fp16_weights", 0.3, 4.0, "1.0 to 2.3")
        )
    },
    "litert_int4_blockwise": {"dit": _dit(_like("int4_weights", 0.4, 2.2, "0.84 to 1.3"))},
}  # fmt: skip

BUDGETS: dict[tuple[str, str], StageBudget] = {
    (variant, stage): named.get(stage, _FLOAT[stage]) for variant, named in _VARIANTS.items() for stage in ALL_STAGES
}


def check_complete() -> None:
    """Raise KeyError if any variant lacks a budget for a stage; called before a single test is collected."""
    missing = [(variant, stage) for variant in VARIANTS for stage in ALL_STAGES if (variant, stage) not in BUDGETS]
    if missing:
        raise KeyError(f"no budget for {missing}; add them to BUDGETS in parity/measure/limits.py, with a reason")
