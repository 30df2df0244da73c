"""The only place with limits. Each has a reason; a variant without a budget for a metric fails at collection.

Two kinds. `Rounding` follows the case at hand: a float variant may err as much as a small multiple of what the
reference itself loses in float32. `Fixed` is for reduced precision, two-sided where a too small error would mean that
the precision was never reduced.
"""

from dataclasses import dataclass

from parity.backends import VARIANTS, YARDSTICK
from reference.spec.tensors import ALL_STAGES

UNIT_ROUNDOFF = 2.0**-24  # half a float32 step: what rounding the exact answer once may cost


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """The same limits for every case and step."""

    limit: float
    low_limit: float = 0.0
    why: str

    def limits(self, yardstick: float) -> tuple[float, float]:
        """(low, high)."""
        return self.low_limit, self.limit


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """`factor` times the reference's own float32 error for the same output, at least one rounding's worth."""

    factor: float
    why: str

    def limits(self, yardstick: float) -> tuple[float, float]:
        """(low, high); `yardstick` is the reference's float32 error."""
        return 0.0, self.factor * max(yardstick, UNIT_ROUNDOFF)


Budget = Fixed | Rounding
StageBudget = dict[str, Budget]

SAME_BITS = Fixed(limit=0.0, why="the levels are the same bits in every pipeline")
SAME_TOKENS = Fixed(limit=0.0, why="the pipeline must hand the conditioner the ids, mask and seconds of the reference")
ZERO = Fixed(limit=0.0, why="rows of padding are zero vectors, exactly")
NONE = Fixed(limit=0.0, why="one such value is a fault")
FLOAT = Rounding(factor=4.0, why="4x the reference's own rounding; another order of the same arithmetic was measured up to 2.6x")

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


def _reduced(limit: float, low_limit: float, measured: str) -> Fixed:
    """Both sides: `measured` is the range seen over all cases on the tiny model."""
    return Fixed(limit=limit, low_limit=low_limit, why=f"measured {measured}; a smaller error means full precision")


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


def _dit(denoised: Budget, velocity: Budget) -> StageBudget:
    return {"nonfinite_values": NONE, "denoised_error": denoised, "relative_l2": velocity}


def _decoder(waveform: Budget, peak: Budget, dc: Budget, stereo: Budget) -> StageBudget:
    clipping = Fixed(limit=1e-4, why="one sample in ten thousand may cross full scale")
    return {
        "nonfinite_values": NONE,
        "relative_l2": waveform,
        "peak_difference": peak,
        "clipping_difference": clipping,
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
    "dit": _dit(FLOAT, FLOAT),
    "decoder": _decoder(FLOAT, _PEAK, _DC, _STEREO),
    "encoder": _encoder(FLOAT),
}
_FP16_COMPUTE: dict[str, StageBudget] = {
    "conditioner": _conditioner(_reduced(3e-3, 1e-5, "4.5e-4 to 9.1e-4"), _reduced(8e-3, 1e-5, "3.0e-4 to 2.6e-3")),
    "dit": _dit(_reduced(4e-3, 2e-5, "2.9e-4 to 1.2e-3"), _reduced(6e-3, 5e-5, "1.1e-3 to 2.0e-3")),
    "decoder": _decoder(
        _reduced(1e-2, 1e-4, "3.2e-3 to 3.8e-3 (50 to 48 dB SNR)"), _up_to(5e-3, 1.4e-3), _up_to(1.5e-3, 3.8e-4),
        _up_to(5e-4, 1.1e-4),
    ),
    "encoder": _encoder(_reduced(6e-3, 1e-4, "1.6e-3 to 2.0e-3")),
}  # fmt: skip
_FP16_WEIGHTS: dict[str, StageBudget] = {
    "conditioner": _conditioner(_reduced(1.6e-3, 5e-5, "2.8e-4 to 5.3e-4"), _reduced(7e-4, 4e-5, "1.9e-4 to 2.2e-4")),
    "dit": _dit(_reduced(1.5e-3, 2e-5, "1.2e-4 to 4.7e-4"), _reduced(2.5e-3, 8e-5, "4.3e-4 to 8.5e-4")),
    "decoder": _decoder(
        _reduced(4.5e-3, 2.5e-4, "1.3e-3 to 1.5e-3"), _up_to(2.5e-3, 6.8e-4), _up_to(5e-4, 1.4e-4), _up_to(1e-4, 2.7e-5)
    ),
    "encoder": _encoder(_reduced(1.7e-3, 8e-5, "3.9e-4 to 5.6e-4")),
}

# What each variant's stages are held to; a stage that is not named is held to what a float stage is.
_VARIANTS: dict[str, dict[str, StageBudget]] = {
    YARDSTICK: {
        "conditioner": _conditioner(_reference(32), _reference(32)),
        "dit": _dit(_reference(64), _reference(64)),
        "decoder": _decoder(_reference(128), _PEAK, _DC, _STEREO),
        "encoder": _encoder(_reference(64)),
    },
    "torch_upstream": {"conditioner": _conditioner(_reduced(3e-3, 5e-5, "6.6e-4 to 1.1e-3"), FLOAT)},
    "onnx_fp32": {},
    "onnx_int8": {"dit": _dit(_reduced(8e-2, 1.2e-3, "5.9e-3 to 2.7e-2"), _reduced(1.4e-1, 4.6e-3, "2.3e-2 to 4.7e-2"))},
    "litert_fp32": {},
    "litert_fp32_builtin": {},
    "litert_fp32_interpreter": {},
    "litert_fp16": _FP16_COMPUTE,
    "litert_fp16_weights": _FP16_WEIGHTS,
    "litert_int8": {
        "dit": _dit(_reduced(6e-2, 1e-3, "5.0e-3 to 2.0e-2"), _reduced(1e-1, 4e-3, "1.9e-2 to 3.5e-2")),
        "decoder": _FP16_COMPUTE["decoder"],
        "encoder": _FP16_COMPUTE["encoder"],
    },
    "litert_int8_weight_only": {
        "dit": _dit(_reduced(4.2e-2, 7e-4, "3.5e-3 to 1.4e-2"), _reduced(8e-2, 2.6e-3, "1.3e-2 to 2.6e-2"))
    },
    "litert_int8_decoder": {
        "decoder": _decoder(
            _reduced(1.4e-1, 8e-3, "4.2e-2 to 4.8e-2 (27 dB SNR)"), _up_to(7e-2, 2.2e-2), _up_to(3e-2, 9.4e-3),
            _up_to(1e-2, 3.0e-3),
        )
    },
    "litert_onnx2tf": {},
    "litert_onnx2tf_float16": {  # it also rounds the number embedder's frequencies, which litert-torch's casting leaves
        "conditioner": _conditioner(_reduced(3e-3, 5e-5, "4.0e-4 to 9.3e-4"), _reduced(8e-3, 4e-5, "2.1e-4 to 2.8e-3"))
    },
    "litert_int4_blockwise": {
        "dit": _dit(_reduced(3.5e-1, 1e-2, "5.0e-2 to 1.7e-1"), _reduced(6.2e-1, 3e-2, "1.5e-1 to 3.1e-1"))
    },
}  # fmt: skip

BUDGETS: dict[tuple[str, str], StageBudget] = {
    (variant, stage): named.get(stage, _FLOAT[stage]) for variant, named in _VARIANTS.items() for stage in ALL_STAGES
}


def check_complete() -> None:
    """Raise KeyError if any variant lacks a budget for a stage; called before a single test is collected."""
    missing = [(variant, stage) for variant in VARIANTS for stage in ALL_STAGES if (variant, stage) not in BUDGETS]
    if missing:
        raise KeyError(f"no budget for {missing}; add them to BUDGETS in parity/budgets.py, with a reason")
