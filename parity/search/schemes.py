"""Ways to store a layer and to compute it: rows of the space that a search looks through. Adding one is a row."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from litert_pipeline.build.recipes import DYNAMIC_INT8, FP16_WEIGHTS, INT4_BLOCKS, INT8_WEIGHTS, QuantizerRecipe
from reference.spec.errors import InputError

MATRIX, CONVOLUTION, TABLE = "FULLY_CONNECTED", "CONV_2D", "EMBEDDING_LOOKUP"
WEIGHTED = (MATRIX, CONVOLUTION, "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "BATCH_MATMUL", TABLE)  # operators that hold weights
# As the quantizer calls an operator, where the schema calls it otherwise.
CALLED = {"TRANSPOSE_CONV": "CONV_2D_TRANSPOSE"}


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """One way. `rule` is the quantizer's, but for what it is about; None leaves a layer as it is.

    `operators` it is for; weights in each row come in whole blocks of `block`.
    """

    name: str
    about: str
    rule: Mapping[str, Any] | None = None
    operators: tuple[str, ...] = WEIGHTED
    block: int = 1

    def fits(self, operator: str, shape: tuple[int, ...]) -> bool:
        """Whether a layer can be stored so."""
        return operator in self.operators and shape[-1] % self.block == 0

    def about_layer(self, regex: str, operator: str) -> QuantizerRecipe:
        """The rules that store so what `regex` selects of an operator."""
        if self.rule is None:
            return []
        return [{**self.rule, "regex": regex, "operation": CALLED.get(operator, operator)}]


def _changed(rules: QuantizerRecipe, algorithm: str | None = None, **weights: object) -> dict[str, Any]:
    """A recipe's only rule with another algorithm, or weights stored otherwise."""
    (rule,) = rules
    config = rule["op_config"]
    stored = {**config["weight_tensor_config"], **weights}
    return {
        **rule, "algorithm_key": algorithm or rule["algorithm_key"], "op_config": {**config, "weight_tensor_config": stored}
    }


def _blocks(size: int, algorithm: str | None = None, name: str = "") -> Scheme:
    return Scheme(
        name=f"int4_b{size}{name}", about=f"weights INT4 in blocks of {size}{_chosen_by(name)}, integer arithmetic",
        rule=_changed(INT4_BLOCKS, algorithm, granularity=f"BLOCKWISE_{size}"), operators=(MATRIX,), block=size,
    )  # fmt: skip


def _chosen_by(name: str) -> str:
    return f", scales by {name.strip('_').upper()}" if name else ""


NARROW = (MATRIX, CONVOLUTION)
SCHEMES: Mapping[str, Scheme] = {
    scheme.name: scheme
    for scheme in (
        Scheme(name="float", about="left in float32"),
        Scheme(name="fp16", about="weights FP16, computed in float32", rule=_changed(FP16_WEIGHTS)),
        Scheme(name="int8", about="weights INT8 per channel, integer arithmetic", rule=_changed(DYNAMIC_INT8)),
        Scheme(
            name="int8_tensor", about="weights INT8 per tensor, integer arithmetic",
            rule=_changed(DYNAMIC_INT8, granularity="TENSORWISE"),
        ),
        Scheme(
            name="int8_octav", about="weights INT8 per channel, scales by OCTAV, integer arithmetic",
            rule=_changed(DYNAMIC_INT8, "OCTAV"), operators=NARROW,
        ),
        Scheme(
            name="int8_mse", about="weights INT8 per channel, scales by MSE, integer arithmetic",
            rule=_changed(DYNAMIC_INT8, "MSE"), operators=NARROW,
        ),
        Scheme(name="int8_weights", about="weights INT8 per channel, computed in float32", rule=_changed(INT8_WEIGHTS)),
        *(_blocks(size) for size in (32, 64, 128, 256)),
        _blocks(32, "OCTAV", "_octav"),
        Scheme(
            name="int4_weights", about="weights INT4 per channel, computed in float32",
            rule=_changed(INT8_WEIGHTS, num_bits=4), operators=NARROW,
        ),
    )
}  # fmt: skip
UNTOUCHED = "float"
# The quantizer writes the file anew and quantizes nothing. What it saves by that alone is no scheme's doing.
REWRITTEN: QuantizerRecipe = [{"regex": ".*", "operation": "*", "algorithm_key": "no_quantize"}]


def schemes_called(names: Iterable[str] | None) -> list[Scheme]:
    """Those of these names, the untouched one among them and first, or all. Raises InputError for one that is nobody's."""
    asked = list(SCHEMES) if names is None else list(names)
    unknown = [name for name in asked if name not in SCHEMES]
    if unknown:
        raise InputError(f"scheme {', '.join(unknown)} is unknown; valid schemes: {', '.join(SCHEMES)}")
    return [SCHEMES[name] for name in dict.fromkeys((UNTOUCHED, *asked))]
