"""Which arithmetic a bundle's file has, read from the file, and which one its recipe claims."""

from collections.abc import Mapping
from typing import Any

from litert_pipeline.build.recipes import Recipe
from litert_pipeline.mlx_file import MLX
from parity.bundles.interface import Interface
from parity.measure.arithmetic import (
    FLOAT,
    FLOAT16,
    FP16_COMPUTE,
    FP32_COMPUTE,
    INT4,
    INT8,
    PER_ROW,
    PER_TENSOR,
    SINGLE,
    STATIC,
    Arithmetic,
)
from reference.spec.stages import CONDITIONER, DIT

# How a runtime feeds layers whose INT8 weights are not widened first, by the format of the file.
DYNAMIC = {"litert": PER_ROW, "onnx": PER_TENSOR}
STORED = {8: INT8, 4: INT4}  # by number of bits
WITH_FREQUENCIES = (CONDITIONER, DIT)  # which MLX's files keep in float32


def stored(interface: Interface) -> Arithmetic:
    """The arithmetic a file says it has, whatever a runtime is asked to compute it in."""
    weights = interface.weights
    return Arithmetic(
        weights=weights,
        activations=STATIC if interface.calibrated else _fed(interface) if weights == INT8 else FLOAT,
        compute=FP16_COMPUTE if interface.halves else FP32_COMPUTE,
        every_constant=weights == FLOAT16 and interface.every_constant,
        grouped=interface.grouped and weights in STORED.values(),
    )


def _fed(interface: Interface) -> str:
    """How layers of INT8 weights are fed: as the file says or, where it leaves that to the runtime, as that does."""
    return interface.fed or (FLOAT if interface.unpacked else DYNAMIC[interface.format])


def claimed(recipe: Recipe, stage: str) -> Arithmetic:
    """The arithmetic that a file made by `recipe` stores."""
    rules = recipe.quantize.get(stage)
    if rules is None:
        return Arithmetic(weights=FLOAT16, every_constant=True) if recipe.routes.get(stage) == "onnx2tf_float16" else SINGLE
    return CLAIMED[recipe.format](rules[0], stage)


def _of_litert(rule: Mapping[str, Any], stage: str) -> Arithmetic:
    config = rule["op_config"]
    weights = config["weight_tensor_config"]
    if weights["dtype"] == "FLOAT":
        return Arithmetic(weights=FLOAT16)
    dynamic = config["compute_precision"] == "INTEGER" and weights["num_bits"] == 8
    return Arithmetic(weights=STORED[weights["num_bits"]], activations=DYNAMIC["litert"] if dynamic else FLOAT)


def _of_onnx(rule: Mapping[str, Any], stage: str) -> Arithmetic:
    """onnxruntime's dynamic quantization."""
    return Arithmetic(weights=INT8, activations=DYNAMIC["onnx"])


def _of_mlx(rule: Mapping[str, Any], stage: str) -> Arithmetic:
    """Stored small, computed in floats."""
    if "bits" in rule:
        return Arithmetic(weights=STORED[rule["bits"]], grouped=True)
    return Arithmetic(weights=FLOAT16, every_constant=stage not in WITH_FREQUENCIES)


# What the first rule of a stage asks for, by the format of the file; those behind it make exceptions.
CLAIMED = {"litert": _of_litert, "onnx": _of_onnx, MLX: _of_mlx}
