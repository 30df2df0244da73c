"""Ways to execute a stage. Adding one is a row in VARIANTS and its budgets in `parity/budgets.py`."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from litert_pipeline.bundle import Bundle
from parity.backends import litert, onnx, torch_, upstream
from reference.pipeline import Model
from reference.spec.errors import InputError
from reference.spec.generation import Stage

Open = Callable[[Model, Bundle | None, str, int], AbstractContextManager[Stage]]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """`recipe` names the bundle the variant runs (None: the model dir itself); `open(model, bundle, stage, threads)`
    gives one stage."""

    recipe: str | None
    open: Open


YARDSTICK = "torch_fp32"  # the reference's own float32 rounding, which float variants are measured in

VARIANTS: Mapping[str, Variant] = {
    YARDSTICK: Variant(recipe=None, open=torch_.open_stage),
    "torch_upstream": Variant(recipe=None, open=upstream.open_stage),
    "onnx_fp32": Variant(recipe="onnx_fp32", open=onnx.open_stage),
    "onnx_int8": Variant(recipe="onnx_int8", open=onnx.open_stage),
    "litert_fp32": Variant(recipe="fp32", open=litert.opener(compute="fp32")),
    "litert_fp32_builtin": Variant(recipe="fp32", open=litert.opener(compute="fp32", kernels="builtin")),
    "litert_fp32_interpreter": Variant(recipe="fp32", open=litert.open_classic),
    "litert_fp16": Variant(recipe="fp32", open=litert.opener(compute="fp16")),
    "litert_fp16_weights": Variant(recipe="fp16_weights", open=litert.opener(compute=None)),
    "litert_int8": Variant(recipe="int8", open=litert.opener(compute=None)),
    "litert_int8_weight_only": Variant(recipe="int8_weight_only", open=litert.opener(compute=None)),
    "litert_int8_decoder": Variant(recipe="int8_decoder", open=litert.opener(compute=None)),
    "litert_int4_blockwise": Variant(recipe="int4_blockwise", open=litert.opener(compute=None)),
    "litert_onnx2tf": Variant(recipe="onnx2tf", open=litert.opener(compute=None)),
    "litert_onnx2tf_float16": Variant(recipe="onnx2tf_float16", open=litert.opener(compute=None)),
}


def choose_variants(names: list[str] | None, recipes: set[str]) -> list[str]:
    """The variants called `names`, or all that bundles of `recipes` can run; the yardstick is always first.

    Raises InputError for an unknown variant and for one whose bundle is not there.
    """
    if names is None:
        return [name for name, variant in VARIANTS.items() if variant.recipe is None or variant.recipe in recipes]
    for name in names:
        if name not in VARIANTS:
            raise InputError(f"variant '{name}' is unknown; valid variants: {', '.join(VARIANTS)}")
        needed = VARIANTS[name].recipe
        if needed is not None and needed not in recipes:
            raise InputError(
                f"variant '{name}' runs a '{needed}' bundle; given: {', '.join(sorted(recipes)) or 'none'}"
            )
    return [YARDSTICK, *(name for name in names if name != YARDSTICK)]
