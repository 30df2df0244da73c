"""Recipes: which format a bundle is in, what is quantized, and which arithmetic each stage is run with."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from litert_pipeline.bundle import COMPUTES, FORMATS
from litert_pipeline.mlx_file import MLX
from reference.spec.errors import InputError
from reference.spec.section import Section, read_json, read_json_objects
from reference.spec.stages import ALL_STAGES, CODEC_STAGES, CONDITIONER, DECODER, DIT, ENCODER, STAGE_TABLE

QuantizerRecipe = list[dict[str, Any]]  # as the format's quantizer reads it


def _entry(
    *, regex: str = ".*", operation: str = "*", algorithm: str = "min_max_uniform_quantize", bits: int = 8,
    granularity: str = "CHANNELWISE", dtype: str = "INT", integer_compute: bool = True,
) -> QuantizerRecipe:  # fmt: skip
    """One litert-quantizer rule. Without integer compute, weights are stored small and calculated with in float."""
    weights = {"num_bits": bits, "symmetric": True, "granularity": granularity, "dtype": dtype}
    config = {
        "weight_tensor_config": weights,
        "compute_precision": "INTEGER" if integer_compute else "FLOAT",
        "explicit_dequantize": not integer_compute,
    }
    return [{"regex": regex, "operation": operation, "algorithm_key": algorithm, "op_config": config}]


# Weights int8 per output channel, activations quantized on the fly, integer arithmetic: what Arm and Google ship.
DYNAMIC_INT8 = _entry()
INT8_WEIGHTS = _entry(integer_compute=False)
FP16_WEIGHTS = _entry(algorithm="float_casting", bits=16, granularity="TENSORWISE", dtype="FLOAT", integer_compute=False)
# The decoder's first and last convolution stay in float: of its work a five-hundredth, of its error a quarter. Those of the
# residual units are called LastConv_1.
INT8_DECODER = (
    _entry(operation="FULLY_CONNECTED")
    + _entry(operation="CONV_2D")
    + [{"regex": r"LastConv_(?!1;)", "operation": "CONV_2D", "algorithm_key": "no_quantize"}]
)
# Only the layers, whose widths are whole blocks in every configuration; projections to the latents are narrow.
INT4_BLOCKS = _entry(regex=r".*Layer_\d+.*", operation="FULLY_CONNECTED", bits=4, granularity="BLOCKWISE_32")
# onnxruntime's dynamic quantization: per channel, signed weights, unsigned activations.
ONNX_INT8: QuantizerRecipe = [{"op_types": ["MatMul", "Gemm"], "per_channel": True}]
# MLX's own: of the DiT its layers, whose widths are whole groups in every configuration.
MLX_FP16: QuantizerRecipe = [{"modules": "", "dtype": "float16"}]
MLX_INT8: QuantizerRecipe = [{"modules": r"layers\.\d+\.", "bits": 8, "group_size": 64}]
MLX_INT4: QuantizerRecipe = [{"modules": r"layers\.\d+\.", "bits": 4, "group_size": 64}]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """`quantize` maps a stage to its quantizer recipe, `compute` a stage to its arithmetic (fp32 where absent). Of one that names
    stages of several kinds of model, a model takes what names its own.

    `routes` maps a stage to the converter that writes it where that is not the format's own. `source` is the recipe of the
    bundle that is quantized, or whose other stages are taken.
    """

    name: str
    format: str = "litert"
    routes: Mapping[str, str] = field(default_factory=dict)
    quantize: Mapping[str, QuantizerRecipe] = field(default_factory=dict)
    compute: Mapping[str, str] = field(default_factory=dict)
    source: str = "fp32"

    @property
    def derived(self) -> bool:
        """Whether a bundle starts from another one, of recipe `source`."""
        return bool(self.quantize or self.routes)

    @property
    def about(self) -> tuple[str, ...]:
        """The stages it is called for: those it names or, where the runtime's graph is code of this project's, those it has code
        for. None of one that takes whatever there is."""
        named = tuple(dict.fromkeys((*self.routes, *self.quantize, *self.compute)))
        return named or (ALL_STAGES if self.format == MLX else ())

    def fits(self, stages: Collection[str]) -> bool:
        """Whether it does to a model of these stages what it is called for."""
        return not self.about or not set(self.about).isdisjoint(stages)

    @property
    def multiplies_integers(self) -> bool:
        """Whether any stage computes in integers. ONNX Runtime's dynamic quantization always does; LiteRT stores some
        weights small and computes in float."""
        entries = [entry for stage in self.quantize.values() for entry in stage]
        precisions = [entry.get("op_config", {}).get("compute_precision") for entry in entries]
        return bool(entries) and (self.format == "onnx" or "INTEGER" in precisions)


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(name="fp32"),
        Recipe(name="plain", routes=dict.fromkeys((DECODER, ENCODER), "litert_plain")),
        Recipe(name="windowed", routes={DECODER: "litert_windowed"}),
        Recipe(name="onnx_fp32", format="onnx"),
        Recipe(name="onnx_int8", format="onnx", quantize={DIT: ONNX_INT8}, source="onnx_fp32"),
        Recipe(name="mlx_fp32", format=MLX),
        Recipe(  # not the autoencoder: its Snake takes sines of products, which float16 rounds by fractions of a radian
            name="mlx_fp16", format=MLX, source="mlx_fp32", quantize=dict.fromkeys((CONDITIONER, DIT), MLX_FP16),
            compute=dict.fromkeys((CONDITIONER, DIT), "fp16"),
        ),
        Recipe(name="mlx_int8", format=MLX, source="mlx_fp32", quantize={DIT: MLX_INT8}),
        Recipe(name="mlx_int4", format=MLX, source="mlx_fp32", quantize={DIT: MLX_INT4}),
        Recipe(name="fp16_weights", quantize=dict.fromkeys(STAGE_TABLE, FP16_WEIGHTS)),
        Recipe(
            name="int8", quantize=dict.fromkeys((DIT, *CODEC_STAGES), DYNAMIC_INT8), compute={DECODER: "fp16", ENCODER: "fp16"}
        ),
        Recipe(name="int8_weight_only", quantize=dict.fromkeys((DIT, *CODEC_STAGES), INT8_WEIGHTS)),
        Recipe(name="int8_decoder", quantize={DECODER: INT8_DECODER}, source="windowed"),
        Recipe(name="int8_fast", quantize={DIT: DYNAMIC_INT8, DECODER: INT8_DECODER}, source="windowed"),
        Recipe(name="int4_blockwise", quantize={DIT: INT4_BLOCKS}),
        Recipe(name="onnx2tf", routes={CONDITIONER: "onnx2tf"}),
        Recipe(name="onnx2tf_float16", routes={CONDITIONER: "onnx2tf_float16"}),
    )
}


# What only a codec is made by: a generating model's int8 has the arithmetic of its autoencoder in it.
CODEC_RECIPES = {recipe.name: recipe for recipe in (Recipe(name="fp16", compute=dict.fromkeys(CODEC_STAGES, "fp16")),)}


def recipe_called(name: str) -> Recipe | None:
    """One of ours by its name; None for somebody's own."""
    return RECIPES.get(name) or CODEC_RECIPES.get(name)


def require_fitting(recipe: Recipe, stages: Collection[str]) -> None:
    """Raise InputError if a recipe names no stage of a model: the result would only be called after it."""
    if not recipe.fits(stages):
        told = f"recipe '{recipe.name}' is about {', '.join(recipe.about)}, but the model has {', '.join(stages)}"
        raise InputError(f"{told}; choose another recipe")


def conversion_recipe(name: str) -> Recipe:
    """A recipe `convert` can follow. Raises InputError for an unknown one, or one that needs `quantize`."""
    valid = {recipe.name: recipe for recipe in (*RECIPES.values(), *CODEC_RECIPES.values()) if not recipe.quantize}
    if name not in valid:
        hint = "; make an fp32 bundle first, then use 'quantize'" if name in RECIPES else ""
        raise InputError(f"recipe '{name}' cannot be converted to; valid recipes: {', '.join(valid)}{hint}")
    return valid[name]


def quantization_recipe(name: str, stage: str | None = None) -> Recipe:
    """A recipe `quantize` can follow: by name, or read from a `.json` file. With a `stage` the file is the list of rules that the
    official quantizer takes, for that stage alone; its name is the recipe's."""
    if name.endswith(".json"):
        return _read_recipe(read_json(Path(name))) if stage is None else _of_rules(Path(name), stage)
    valid = [recipe.name for recipe in RECIPES.values() if recipe.quantize]
    if name not in valid:
        raise InputError(f"recipe '{name}' is no quantization recipe; valid: {', '.join(valid)}, or a .json file")
    if stage is not None:
        raise InputError(f"recipe '{name}' names its stages itself; a stage is for a .json file with a list of rules")
    return RECIPES[name]


def _of_rules(path: Path, stage: str) -> Recipe:
    rules = read_json_objects(path)
    if stage not in STAGE_TABLE:
        raise InputError(f"stage '{stage}' is unknown; valid stages: {', '.join(STAGE_TABLE)}")
    _require_own_name(path, path.stem)
    _require_rules(path, stage, rules)
    return Recipe(name=path.stem, quantize={stage: rules})


def _read_recipe(top: Section) -> Recipe:
    """`{"name": ..., "quantize": {stage: [litert-quantizer entries]}, "compute": {stage: "fp32" | "fp16"}}`."""
    quantize, compute = top.section("quantize"), top.optional_section("compute")
    recipe = Recipe(
        name=top.take("name", str),
        format=top.choice("format", FORMATS[:1], FORMATS[0]),
        quantize={stage: quantize.take(stage, list) for stage in STAGE_TABLE if quantize.has(stage)},
        compute={stage: compute.choice(stage, COMPUTES) for stage in STAGE_TABLE if compute.has(stage)},
    )
    for section in (quantize, compute, top):
        section.done()
    if not recipe.quantize:
        raise InputError(f"{top.file}: 'quantize' names no stage; expected one of {', '.join(STAGE_TABLE)}")
    _require_own_name(top.file, recipe.name)
    for stage, rules in recipe.quantize.items():
        _require_rules(top.file, stage, rules)
    return recipe


def _require_rules(file: Path, stage: str, rules: list[Any]) -> None:
    """Raise InputError for a rule that is none, or whose regex is none: the quantizer would say so in words of its own, later."""
    for number, rule in enumerate(rules, start=1):
        where, regex = f"{file}: rule {number} of '{stage}'", rule.get("regex", "") if isinstance(rule, dict) else ""
        if not isinstance(rule, dict) or not isinstance(rule.get("op_config", {}), dict):
            raise InputError(f"{where} is {rule!r}, expected an object as litert-quantizer takes it, its 'op_config' one, too")
        try:
            re.compile(regex)
        except (re.error, TypeError, OverflowError, RecursionError) as error:
            raise InputError(f"{where} has the regex {regex!r}, which is none ({error}); mend it") from None


def _require_own_name(file: Path, name: str) -> None:
    """Raise InputError for a recipe that is called as one of ours, or as no file can be."""
    if recipe_called(name) or not re.fullmatch(r"\w[\w.-]*", name):
        raise InputError(
            f"{file}: 'name' is '{name}', expected letters, digits, '_', and, not to begin with, '.' and '-', "
            f"none of {', '.join(RECIPES)}; give the recipe a name of its own"
        )
