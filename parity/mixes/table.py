"""The table of mixes: which stage of which bundle, run through which tool. A row is data; `make.py` makes a bundle of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from litert_pipeline.build.recipes import (
    DYNAMIC_INT8,
    FP16_WEIGHTS,
    INT4_BLOCKS,
    INT8_DECODER,
    INT8_WEIGHTS,
    RECIPES,
    QuantizerRecipe,
)
from parity.measure.arithmetic import FP16_COMPUTE
from reference.spec.stages import ALL_STAGES, CONDITIONER, DECODER, DIT, ENCODER


@dataclass(frozen=True, kw_only=True)
class Part:
    """A stage's file: that of the bundle of recipe `source` (the mix's own base where empty), run through `tool` with `options`
    (`parity/mixes/tools.py`)."""

    tool: str
    options: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Mix:
    """A bundle. Stages that are not among `parts` are those of recipe `base`; `compute` as in a recipe."""

    name: str
    base: str = "fp32"
    parts: Mapping[str, Part] = field(default_factory=dict)
    compute: Mapping[str, str] = field(default_factory=dict)

    @property
    def format(self) -> str:
        """Of its files."""
        return RECIPES[self.base].format

    @property
    def sources(self) -> set[str]:
        """Recipes whose bundles it is made of."""
        return {self.base, *(part.source or self.base for part in self.parts.values())}


def _rules(*entries: QuantizerRecipe, source: str = "") -> Part:
    """Rules of litert-quantizer; of those that fit an operator the last counts."""
    return Part(tool="litert-quantizer", options={"rules": [rule for entry in entries for rule in entry]}, source=source)


def _only(entries: QuantizerRecipe, regex: str, operation: str = "*") -> QuantizerRecipe:
    """The same for those operators alone whose name fits."""
    return [{**rule, "regex": regex, "operation": operation} for rule in entries]


def _calibrated(entries: QuantizerRecipe) -> Part:
    """The same with what layers are fed, and answer, rounded to ranges that were seen; inputs and outputs stay floats."""
    seen = {"num_bits": 8, "symmetric": False, "granularity": "TENSORWISE", "dtype": "INT"}
    rules = [{**rule, "op_config": {**rule["op_config"], "activation_tensor_config": seen}} for rule in entries]
    ends = [{"regex": ".*", "operation": end, "algorithm_key": "no_quantize"} for end in ("INPUT", "OUTPUT")]
    return Part(tool="litert-quantizer, calibrated", options={"rules": [*rules, *ends]})


def _by(entries: QuantizerRecipe, algorithm: str) -> QuantizerRecipe:
    """The same by another algorithm."""
    return [{**rule, "algorithm_key": algorithm} for rule in entries]


def _stored(entries: QuantizerRecipe, **changed: Any) -> QuantizerRecipe:
    """The same with weights stored otherwise."""
    return [
        {**rule, "op_config": {**config, "weight_tensor_config": {**config["weight_tensor_config"], **changed}}}
        for rule in entries
        for config in [rule["op_config"]]
    ]


# Parts of the DiT and of T5, by what their modules are called.
ATTENTION, FEED_FORWARD, LAYERS = r".*Attention_.*", r".*FeedForward_.*", r".*Layer_\d+.*"
ENDS = r".*(project_in|project_out|preprocess_conv|postprocess_conv).*"
DENSE = "FULLY_CONNECTED"
INT8, WEIGHTS_INT8, HALF, INT4 = (_rules(rules) for rules in (DYNAMIC_INT8, INT8_WEIGHTS, FP16_WEIGHTS, INT4_BLOCKS))
DYNAMIC_INT4 = _stored(_only(DYNAMIC_INT8, LAYERS, DENSE), num_bits=4)
INT4_WEIGHTS = _stored(_only(INT8_WEIGHTS, LAYERS, DENSE), num_bits=4)

# Stage by stage, as people combine what converters offer.
REALISTIC = (
    Mix(name="all_int8", parts=dict.fromkeys(ALL_STAGES, INT8)),
    Mix(name="int8_t5_and_dit", parts=dict.fromkeys((CONDITIONER, DIT), INT8)),
    Mix(name="int8_weight_t5", parts={CONDITIONER: WEIGHTS_INT8}),
    Mix(name="fp16_dit", parts={DIT: HALF}),
    Mix(name="fp16_dit_and_decoder", parts=dict.fromkeys((DIT, DECODER), HALF)),
    Mix(name="int8_dit_rest_fp16", parts={**dict.fromkeys(ALL_STAGES, HALF), DIT: INT8}),
    Mix(name="int8_weight_dit_fp16_t5", parts={DIT: WEIGHTS_INT8, CONDITIONER: HALF}),
    Mix(name="int8_weight_decoder", parts={DECODER: WEIGHTS_INT8}),
    Mix(name="int8_encoder", parts={ENCODER: INT8}),
    Mix(name="int4_dit_int8_decoder", parts={DIT: INT4, DECODER: _rules(INT8_DECODER, source="windowed")}),
)
# Several arithmetics in one stage.
WITHIN = (
    Mix(
        name="int8_attention_int4_feed_forward",
        parts={DIT: _rules(_only(DYNAMIC_INT8, ATTENTION), _only(DYNAMIC_INT4, FEED_FORWARD))},
    ),
    Mix(name="int8_attention", parts={DIT: _rules(_only(DYNAMIC_INT8, ATTENTION))}),
    Mix(
        name="fp16_feed_forward_int8_attention",
        parts={DIT: _rules(_only(FP16_WEIGHTS, FEED_FORWARD), _only(DYNAMIC_INT8, ATTENTION))},
    ),
    Mix(
        name="int8_t5_attention_rest_fp16",
        parts={CONDITIONER: _rules(FP16_WEIGHTS, _only(DYNAMIC_INT8, ATTENTION))},
    ),
    Mix(name="int8_but_the_ends", parts={DIT: _rules(DYNAMIC_INT8, _by(_only(DYNAMIC_INT8, ENDS), "no_quantize"))}),
)
# What a recipe of one's own may ask for beside that.
OWN = (
    Mix(name="int4_dynamic", parts={DIT: _rules(DYNAMIC_INT4)}),
    Mix(name="int4_channels", parts={DIT: _rules(INT4_WEIGHTS)}),
    Mix(name="int4_blocks_of_64", parts={DIT: _rules(_stored(INT4_BLOCKS, granularity="BLOCKWISE_64"))}),
    Mix(name="int8_tensorwise", parts={DIT: _rules(_stored(DYNAMIC_INT8, granularity="TENSORWISE"))}),
    Mix(name="int8_asymmetric", parts={DIT: _rules(_stored(INT8_WEIGHTS, symmetric=False))}),
    Mix(name="int8_octav", parts={DIT: _rules(_by(DYNAMIC_INT8, "OCTAV"))}),
    Mix(name="int4_octav", parts={DIT: _rules(_by(DYNAMIC_INT4, "OCTAV"))}),
    Mix(name="int4_mse", parts={DIT: _rules(_by(DYNAMIC_INT4, "MSE"))}),
    Mix(
        name="int8_rotated",
        parts={
            CONDITIONER: _rules(DYNAMIC_INT8, _by(_only(DYNAMIC_INT8, ATTENTION), "DECOMPOSED_HADAMARD_ROTATION")),
            DIT: _rules(DYNAMIC_INT8, _by(DYNAMIC_INT8, "DECOMPOSED_HADAMARD_ROTATION")),
        },
    ),
    Mix(name="static_feed_forward", parts={DIT: _calibrated(_only(DYNAMIC_INT8, FEED_FORWARD))}),
    Mix(name="static_decoder", parts={DECODER: _calibrated(INT8_DECODER[:2])}),
    Mix(name="int4_rotated_by_an_operator", parts={DIT: _rules(_by(DYNAMIC_INT4, "HADAMARD_ROTATION"))}),
    Mix(name="computed_fp16", compute=dict.fromkeys(ALL_STAGES, FP16_COMPUTE)),
    Mix(
        name="fp16_weights_computed_fp16",
        parts=dict.fromkeys(ALL_STAGES, HALF),
        compute=dict.fromkeys(ALL_STAGES, FP16_COMPUTE),
    ),
    Mix(
        name="int8_weights_computed_fp16",
        parts=dict.fromkeys((CONDITIONER, DIT), WEIGHTS_INT8),
        compute=dict.fromkeys((CONDITIONER, DIT), FP16_COMPUTE),
    ),
    Mix(name="int8_computed_fp16", parts={DIT: INT8}, compute={DIT: FP16_COMPUTE}),
)


def _onnx(name: str, tool: str, *stages: str, **options: Any) -> Mix:
    """Some stages, the DiT where none is named, run through a tool of ONNX Runtime's."""
    parts = dict.fromkeys(stages or (DIT,), Part(tool=tool, options=options))
    return Mix(name=f"onnx_{name}", base="onnx_fp32", parts=parts)


def _dense(name: str, tool: str, **options: Any) -> Mix:
    return _onnx(name, tool, op_types_to_quantize=["MatMul", "Gemm"], **options)


def _blocks(name: str, *stages: str, bits: int, size: int = 32, symmetric: bool = True, **options: Any) -> Mix:
    return _onnx(name, "MatMulNBits", *stages, bits=bits, block_size=size, is_symmetric=symmetric, **options)


# The tools of ONNX Runtime, with the options people give them.
ONNX = (
    _dense("quint8", "dynamic", weights="QUInt8"),
    _dense("quint8_per_channel", "dynamic", weights="QUInt8", per_channel=True),
    _dense("per_tensor", "dynamic"),
    _dense("per_channel", "dynamic", per_channel=True),
    _dense("reduce_range", "dynamic", per_channel=True, reduce_range=True),
    _dense("reduce_range_quint8", "dynamic", weights="QUInt8", reduce_range=True),
    _onnx("dynamic_defaults", "dynamic", CONDITIONER),
    _onnx("dynamic_defaults_quint8", "dynamic", CONDITIONER, DIT, weights="QUInt8"),
    _onnx("dynamic_convolutions", "dynamic", DECODER, ENCODER, weights="QUInt8"),
    _dense("static", "static"),
    _dense("static_per_channel", "static", per_channel=True),
    _dense("static_signed", "static", per_channel=True, weight="QInt8", activation="QInt8"),
    _dense("static_unsigned", "static", weight="QUInt8", activation="QUInt8"),
    _onnx("static_defaults", "static"),
    _onnx("static_decoder", "static", DECODER, per_channel=True, op_types_to_quantize=["Conv"]),
    _dense("static_operators", "static", format="QOperator"),
    _dense("static_operators_per_channel", "static", format="QOperator", per_channel=True),
    _blocks("nbits_4", bits=4),
    _blocks("nbits_4_asymmetric", bits=4, symmetric=False),
    _onnx("nbits_defaults", "MatMulNBits"),
    _blocks("nbits_8", bits=8),
    _blocks("nbits_8_asymmetric", bits=8, size=128, symmetric=False),
    _blocks("nbits_4_int8_products", bits=4, accuracy_level=4),
    _blocks("nbits_8_int8_products", bits=8, accuracy_level=4),
    _blocks("nbits_4_dequantized", bits=4, format="QDQ"),
    _blocks("nbits_4_t5_and_dit", CONDITIONER, DIT, bits=4),
    _onnx("float16_kept_io", "float16", *ALL_STAGES, keep_io_types=True),
    _onnx("float16", "float16", *ALL_STAGES, keep_io_types=False),
    _onnx("float16_dit", "float16", keep_io_types=True),
)

MIXES: Mapping[str, Mix] = {mix.name: mix for mix in (*REALISTIC, *WITHIN, *OWN, *ONNX)}
