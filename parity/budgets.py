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

NONE = Fixed(limit=0.0, why="one such value is a fault")
FLOAT = Rounding(factor=4.0, why="same arithmetic in another order: measured up to 2.5x (tiny), 2.6x (full size)")

# Free-running limits are this many times the furthest disturbed truth: quantization errors are not white noise, and
# INT8 was measured up to 2.0x outside the white-noise cloud, float variants 0.6x.
ENVELOPE_FACTOR = 4.0

StageBudget = dict[str, Budget]


def _reference(roundings: int) -> Fixed:
    """The reference's own float32 loss; a reference that loses more is no yardstick."""
    return Fixed(limit=roundings * UNIT_ROUNDOFF, why=f"{roundings} float32 roundings; measured a sixth of that")


def _reduced(limit: float, low_limit: float, measured: str) -> Fixed:
    """Both sides: `measured` is the range seen over all cases on the tiny model."""
    return Fixed(limit=limit, low_limit=low_limit, why=f"measured {measured}; a smaller error means full precision")


def _conditioner(cross: Budget, glob: Budget) -> StageBudget:
    return {"nonfinite_values": NONE, "relative_l2.cross_attention_cond": cross, "relative_l2.global_cond": glob}


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

_FLOAT_CONDITIONER = _conditioner(FLOAT, FLOAT)
_FLOAT_DIT = _dit(FLOAT, FLOAT)
_FLOAT_DECODER = _decoder(FLOAT, _PEAK, _DC, _STEREO)
_FLOAT_ENCODER = _encoder(FLOAT)
_FP16_ENCODER = _encoder(_reduced(6e-3, 1e-4, "1.6e-3 to 2.0e-3"))
_FP16_DECODER = _decoder(
    _reduced(1e-2, 1e-4, "3.2e-3 to 3.8e-3 (50 to 48 dB SNR)"),
    Fixed(limit=5e-3, why="measured up to 1.4e-3"),
    Fixed(limit=1.5e-3, why="measured up to 3.8e-4"),
    Fixed(limit=5e-4, why="measured up to 1.1e-4"),
)

BUDGETS: dict[tuple[str, str], StageBudget] = {
    (YARDSTICK, "conditioner"): _conditioner(_reference(32), _reference(32)),
    (YARDSTICK, "dit"): _dit(_reference(64), _reference(64)),
    (YARDSTICK, "decoder"): _decoder(_reference(128), _PEAK, _DC, _STEREO),
    (YARDSTICK, "encoder"): _encoder(_reference(64)),
    ("torch_upstream", "conditioner"): _conditioner(_reduced(3e-3, 5e-5, "6.6e-4 to 1.1e-3"), FLOAT),
    ("torch_upstream", "dit"): _FLOAT_DIT,
    ("torch_upstream", "decoder"): _FLOAT_DECODER,
    ("torch_upstream", "encoder"): _FLOAT_ENCODER,
    ("onnx_fp32", "conditioner"): _FLOAT_CONDITIONER,
    ("onnx_fp32", "dit"): _FLOAT_DIT,
    ("onnx_fp32", "decoder"): _FLOAT_DECODER,
    ("onnx_fp32", "encoder"): _FLOAT_ENCODER,
    ("litert_fp32", "conditioner"): _FLOAT_CONDITIONER,
    ("litert_fp32", "dit"): _FLOAT_DIT,
    ("litert_fp32", "decoder"): _FLOAT_DECODER,
    ("litert_fp32", "encoder"): _FLOAT_ENCODER,
    ("litert_fp16", "conditioner"): _conditioner(
        _reduced(3e-3, 1e-5, "4.5e-4 to 9.1e-4"), _reduced(8e-3, 1e-5, "3.0e-4 to 2.6e-3")
    ),
    ("litert_fp16", "dit"): _dit(_reduced(4e-3, 2e-5, "2.9e-4 to 1.2e-3"), _reduced(6e-3, 5e-5, "1.1e-3 to 2.0e-3")),
    ("litert_fp16", "decoder"): _FP16_DECODER,
    ("litert_fp16", "encoder"): _FP16_ENCODER,
    ("litert_int8", "conditioner"): _FLOAT_CONDITIONER,
    ("litert_int8", "dit"): _dit(_reduced(6e-2, 1e-3, "5.0e-3 to 2.0e-2"), _reduced(1e-1, 4e-3, "1.9e-2 to 3.5e-2")),
    ("litert_int8", "decoder"): _FP16_DECODER,
    ("litert_int8", "encoder"): _FP16_ENCODER,
}


def check_complete() -> None:
    """Raise KeyError if any variant lacks a budget for a stage; called before a single test is collected."""
    missing = [(variant, stage) for variant in VARIANTS for stage in ALL_STAGES if (variant, stage) not in BUDGETS]
    if missing:
        raise KeyError(f"no budget for {missing}; add them to BUDGETS in parity/budgets.py, with a reason")
