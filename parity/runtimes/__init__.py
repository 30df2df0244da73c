"""Ways to execute a stage. Adding one is a row in VARIANTS and its budgets in `parity/measure/limits.py`."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from litert_pipeline.bundle import Bundle, StageFile
from parity.runtimes import litert, torch_, upstream
from parity.runtimes import onnxruntime_ as onnx
from reference.pipeline import Model
from reference.spec.errors import InputError
from reference.spec.generation import Stage

Open = Callable[[Model, Bundle | None, str, int], AbstractContextManager[Stage]]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """`recipe` names the bundle the variant runs (None: the model dir itself); `open(model, bundle, stage, threads)`
    gives one stage. `engine` is what runs its files, `compute` the arithmetic it forces on them (None: their own)."""

    recipe: str | None
    open: Open
    engine: str
    compute: str | None = None

    def execution(self, entry: StageFile) -> tuple[str, str]:
        """What runs a file, and how: variants that agree in it answer alike."""
        return self.engine, self.compute or entry.compute


def _litert(recipe: str, compute: str | None = None, kernels: str = "xnnpack") -> Variant:
    """Files of `recipe` in CompiledModel."""
    return Variant(recipe=recipe, open=litert.opener(compute=compute, kernels=kernels), engine=kernels, compute=compute)


YARDSTICK = "torch_fp32"  # the reference's own float32 rounding, which float variants are measured in

VARIANTS: Mapping[str, Variant] = {
    YARDSTICK: Variant(recipe=None, open=torch_.open_stage, engine="torch"),
    "torch_upstream": Variant(recipe=None, open=upstream.open_stage, engine="upstream"),
    "onnx_fp32": Variant(recipe="onnx_fp32", open=onnx.open_stage, engine="onnx"),
    "onnx_int8": Variant(recipe="onnx_int8", open=onnx.open_stage, engine="onnx"),
    "litert_fp32": _litert("fp32", "fp32"),
    "litert_plain": _litert("plain"),
    "litert_windowed": _litert("windowed"),
    "litert_fp32_builtin": _litert("fp32", "fp32", "builtin"),
    "litert_fp32_interpreter": Variant(recipe="fp32", open=litert.open_classic, engine="classic"),
    "litert_fp16": _litert("fp32", "fp16"),
    "litert_fp16_weights": _litert("fp16_weights"),
    "litert_int8": _litert("int8"),
    "litert_int8_weight_only": _litert("int8_weight_only"),
    "litert_int8_decoder": _litert("int8_decoder"),
    "litert_int8_fast": _litert("int8_fast"),
    "litert_int4_blockwise": _litert("int4_blockwise"),
    "litert_onnx2tf": _litert("onnx2tf"),
    "litert_onnx2tf_float16": _litert("onnx2tf_float16"),
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
