"""Recipes: which format a bundle is in, what is quantized, and which arithmetic each stage is run with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from litert_pipeline.bundle import COMPUTES, FORMATS
from reference.spec.errors import InputError
from reference.spec.section import Section, read_json
from reference.spec.tensors import ALL_STAGES

QuantizerRecipe = list[dict[str, Any]]  # as ai-edge-quantizer reads it

# Weights int8 per output channel, activations quantized on the fly, integer arithmetic: what Arm and Google ship.
DYNAMIC_INT8: QuantizerRecipe = [
    {
        "regex": ".*",
        "operation": "*",
        "algorithm_key": "min_max_uniform_quantize",
        "op_config": {
            "weight_tensor_config": {"num_bits": 8, "symmetric": True, "granularity": "CHANNELWISE", "dtype": "INT"},
            "compute_precision": "INTEGER",
            "explicit_dequantize": False,
        },
    }
]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """`quantize` maps a stage to its quantizer recipe, `compute` a stage to its arithmetic (fp32 where absent)."""

    name: str
    format: str = "litert"
    quantize: Mapping[str, QuantizerRecipe] = field(default_factory=dict)
    compute: Mapping[str, str] = field(default_factory=dict)


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(name="fp32"),
        Recipe(name="onnx_fp32", format="onnx"),
        Recipe(name="int8", quantize={"dit": DYNAMIC_INT8}, compute={"decoder": "fp16", "encoder": "fp16"}),
    )
}


def conversion_recipe(name: str) -> Recipe:
    """A recipe `convert` can follow. Raises InputError for an unknown one, or one that needs `quantize`."""
    valid = [recipe.name for recipe in RECIPES.values() if not recipe.quantize]
    if name not in valid:
        hint = "; make an fp32 bundle first, then use 'quantize'" if name in RECIPES else ""
        raise InputError(f"recipe '{name}' cannot be converted to; valid recipes: {', '.join(valid)}{hint}")
    return RECIPES[name]


def quantization_recipe(name: str) -> Recipe:
    """A recipe `quantize` can follow: by name, or read from a `.json` file."""
    if name.endswith(".json"):
        return _read_recipe(read_json(Path(name)))
    valid = [recipe.name for recipe in RECIPES.values() if recipe.quantize]
    if name not in valid:
        raise InputError(f"recipe '{name}' is no quantization recipe; valid: {', '.join(valid)}, or a .json file")
    return RECIPES[name]


def _read_recipe(top: Section) -> Recipe:
    """`{"name": ..., "quantize": {stage: [ai-edge-quantizer entries]}, "compute": {stage: "fp32" | "fp16"}}`."""
    quantize, compute = top.section("quantize"), top.optional_section("compute")
    recipe = Recipe(
        name=top.take("name", str),
        format=top.choice("format", FORMATS[:1], FORMATS[0]),
        quantize={stage: quantize.take(stage, list) for stage in ALL_STAGES if quantize.has(stage)},
        compute={stage: compute.choice(stage, COMPUTES) for stage in ALL_STAGES if compute.has(stage)},
    )
    for section in (quantize, compute, top):
        section.done()
    if not recipe.quantize:
        raise InputError(f"{top.file}: 'quantize' names no stage; expected one of {', '.join(ALL_STAGES)}")
    return recipe
