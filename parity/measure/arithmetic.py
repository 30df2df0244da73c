"""What a stage stores and computes: the arithmetic that says how large an error has to be expected of it."""

from dataclasses import dataclass, replace

FLOAT32, FLOAT16, INT8, INT4 = "float32", "float16", "int8", "int4"
FLOAT, PER_ROW, PER_TENSOR = "float", "int8 per row", "int8 per tensor"
PER_BLOCK, STATIC = "int8 per block", "int8, calibrated"  # of what layers are fed
FP32_COMPUTE, FP16_COMPUTE = "fp32", "fp16"
# What a machine does that is asked for FP16 compute (`parity/runtimes/half_compute.py` recognises it).
FLOAT32_KERNELS = "float32 kernels"
HALF_AND_FLOAT = "half products, float sums"
HALF_AND_HALF = "half products, half sums"
HALF_KINDS = (FLOAT32_KERNELS, HALF_AND_FLOAT, HALF_AND_HALF)
# How weights were loaded before they were converted: as the checkpoint has them, or rounded (`parity/truth/loading.py`).
AS_SAVED, T5_AT_LOAD, ALL_AT_LOAD = "", "T5 rounded to float16 at load", "rounded to float16 at load"
ROUNDED_AT_LOAD = (T5_AT_LOAD, ALL_AT_LOAD)


@dataclass(frozen=True, kw_only=True)
class Arithmetic:
    """How most of a stage's weights are stored, what its layers are fed, and what it is computed in.

    `activations` are as they come (float), quantized on the fly with a scale per row, per tensor or per block, or, where any
    layer's are, with scales that were calibrated. `every_constant`:
    not only matrices are stored as `weights`, but biases, gains and frequencies, too. `part` names the only part of the stage
    that all this is said of; the rest is float32. `grouped`: matrices have a scale and an offset for each group of inputs, as
    MLX makes them. `by_reference`: the reference itself computes it, in whose rounding
    others are measured. `loaded`: what a loader did to the weights before all this; the stage then is held to what the model
    answers with these weights. `halves`: what the machine does where it computes in FP16.
    """

    weights: str = FLOAT32
    activations: str = FLOAT
    compute: str = FP32_COMPUTE
    every_constant: bool = False
    part: str = ""
    grouped: bool = False
    by_reference: bool = False
    loaded: str = AS_SAVED
    halves: str = HALF_AND_FLOAT

    def computed_in(self, compute: str) -> "Arithmetic":
        """The same weights computed otherwise."""
        return replace(self, compute=compute)

    def on(self, halves: str) -> "Arithmetic":
        """The same on a machine that does `halves` for FP16 compute; one that is not known is held to the strictest."""
        known = self.compute == FP16_COMPUTE and halves in HALF_KINDS
        return replace(self, halves=halves) if known else self

    def __str__(self) -> str:
        weights = f"{self.weights} {'constants' if self.every_constant else 'weights'}{' in groups' if self.grouped else ''}"
        fed = "" if self.activations == FLOAT else f", activations {self.activations}"
        done = "" if self.halves == HALF_AND_FLOAT else f" ({self.halves})"
        computed = "" if self.compute == FP32_COMPUTE else f", computed in {self.compute}{done}"
        loaded = f", {self.loaded}" if self.loaded else ""
        return f"{weights}{fed}{computed}{f' ({self.part} only)' if self.part else ''}{loaded}"


SINGLE = Arithmetic()
REFERENCE = Arithmetic(by_reference=True)
HALF_COMPUTE = Arithmetic(compute=FP16_COMPUTE)
HALF_SUMS = Arithmetic(compute=FP16_COMPUTE, halves=HALF_AND_HALF)
NO_HALVES = Arithmetic(compute=FP16_COMPUTE, halves=FLOAT32_KERNELS)
HALF_T5 = Arithmetic(weights=FLOAT16, compute=FP16_COMPUTE, part="t5")
HALF_WEIGHTS = Arithmetic(weights=FLOAT16)
HALF_CONSTANTS = Arithmetic(weights=FLOAT16, every_constant=True)
INT8_PER_ROW = Arithmetic(weights=INT8, activations=PER_ROW)
INT8_PER_TENSOR = Arithmetic(weights=INT8, activations=PER_TENSOR)
INT8_WEIGHTS = Arithmetic(weights=INT8)
INT4_WEIGHTS = Arithmetic(weights=INT4)
INT8_GROUPS = Arithmetic(weights=INT8, grouped=True)
INT4_GROUPS = Arithmetic(weights=INT4, grouped=True)
INT8_CALIBRATED = Arithmetic(weights=INT8, activations=STATIC)
