"""A single wrong layer is found, whichever it is, in float and in quantized graphs; a clean graph has none."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from litert_pipeline.build.recipes import RECIPES
from litert_pipeline.build.stage import as_converted
from litert_pipeline.bundle import Bundle
from parity.explain.blame import module_errors
from parity.explain.inside.graphs import OPENERS, Outputs
from parity.explain.inside.localize import conversion_errors, located, rounding_errors
from parity.explain.inside.module_error import ModuleError, first_fault
from parity.faults.injection import of_bundle
from parity.judge.judge import Judge
from parity.measure.teacher_forcing import stage_feed
from parity.meta_tests.more import few
from parity.runtimes import mlx_
from parity.test_parity import case_called
from reference.spec.stages import ALL_STAGES
from reference.spec.tensors import Array

STEP = 3
GAIN, ABOUT = 1.05, 0.5  # a gain on the weights is not one on the bias beside them
LEAST_MODULES = 10
# Layers whose weights stand in the file as they are: before the others the converter folds a norm's gain into them.
FAULTS = {
    "T5, first attention": ("conditioner", "t5.encoder.block.0.layer.0.SelfAttention.o"),
    "T5, second feed-forward": ("conditioner", "t5.encoder.block.1.layer.1.DenseReluDense.wo"),
    "T5, last attention": ("conditioner", "t5.encoder.block.2.layer.0.SelfAttention.o"),
    "DiT, conditioning": ("dit", "to_cond_embed.2"),
    "DiT, first self-attention": ("dit", "transformer.layers.0.self_attn.to_out"),
    "DiT, second cross-attention": ("dit", "transformer.layers.1.cross_attn.to_out"),
    "DiT, last feed-forward": ("dit", "transformer.layers.2.ff.ff.2"),
    "DiT, last projection": ("dit", "transformer.project_out"),
    "decoder, first convolution": ("decoder", "layers.0"),
    "decoder, second upsampling": ("decoder", "layers.2.layers.1"),
    "decoder, fourth block": ("decoder", "layers.4.layers.3.layers.1"),
    "decoder, last convolution": ("decoder", "layers.7"),
    "encoder, second block": ("encoder", "layers.2.layers.4"),
}
KEPT = {"T5, second feed-forward", "DiT, second cross-attention", "decoder, last convolution", "encoder, second block"}
# Every file there is: unquantized ones, and of a quantized bundle the stages its recipe changes.
CLEAN = [(recipe, stage) for recipe in ("fp32", "onnx_fp32") for stage in ALL_STAGES]
QUANTIZED = [recipe for recipe in RECIPES.values() if recipe.format != "mlx"]
CLEAN += [(recipe.name, stage) for recipe in QUANTIZED for stage in recipe.quantize if stage in ALL_STAGES]
OF_EACH_KIND = {"fp32", "onnx_fp32", "int8", "onnx_int8", "int4_blockwise", "mlx_int4"}
if mlx_.missing() is None:  # slow on a CPU, so a few
    CLEAN += [("mlx_fp16", "conditioner"), ("mlx_int4", "dit")]


def spoiled(path: Path, module: nn.Module, target: Path) -> Path:
    """A copy of a converted file in which one module's weights are GAIN times what they were."""
    weight = (
        module.get_parameter("weight") if "weight" in dict(module.named_parameters()) else module.get_buffer("weight")
    )
    data = path.read_bytes()
    for layout in layouts(weight.detach().numpy()):
        raw = layout.tobytes()
        if data.count(raw) == 1:
            target.write_bytes(data.replace(raw, (layout * np.float32(GAIN)).tobytes()))
            return target
    raise AssertionError(f"{path}: does not hold these weights as they are")


def layouts(weight: Array) -> Iterator[Array]:
    """Orders of axes in which a converter may keep a kernel: as it is, channels last, or a transposed convolution's."""
    orders = {2: [(0, 1), (1, 0)], 3: [(0, 1, 2), (0, 2, 1), (1, 2, 0)], 4: [(0, 2, 3, 1)]}[weight.ndim]
    return (np.ascontiguousarray(weight.transpose(order)) for order in orders)


def errors_of(judge: Judge, stage: str, recipe: str, file: Path | None = None) -> list[ModuleError]:
    """Module errors of a bundle's stage, or of another file in its place."""
    variant = recipe if recipe.startswith(("onnx", "mlx")) else f"litert_{recipe}"
    bundle = judge.contenders[variant].bundle
    assert bundle is not None
    if file is not None:
        entry = replace(bundle.manifest.stages[stage], file=str(file))  # absolute, so the folder does not matter
        bundle = replace(bundle, manifest=replace(bundle.manifest, stages={**bundle.manifest.stages, stage: entry}))
    return module_errors(of_bundle(judge, variant, bundle), stage, variant, case_called(judge, "drums"), STEP)


@pytest.mark.parametrize("recipe", ["fp32", "onnx_fp32"])
@pytest.mark.parametrize("fault", few(FAULTS, KEPT))
def test_a_wrong_layer_is_named(
    judge: Judge, bundles: Mapping[str, Bundle], tmp_path: Path, fault: str, recipe: str
) -> None:
    stage, wrong = FAULTS[fault]
    path = bundles[recipe].path(stage)
    file = spoiled(path, as_converted(judge.model, stage, path).get_submodule(wrong), tmp_path / path.name)
    found = first_fault(errors_of(judge, stage, recipe, file))
    assert found is not None
    assert found.path == wrong
    assert found.isolated == pytest.approx(GAIN - 1, rel=ABOUT)


@pytest.mark.skipif(mlx_.missing() is not None, reason=f"{mlx_.missing()}")
@pytest.mark.parametrize("fault", [
    "T5, first attention", "DiT, last feed-forward", pytest.param("decoder, second upsampling", marks=pytest.mark.faults),
])  # fmt: skip
def test_a_wrong_layer_of_a_port_is_named(
    judge: Judge, bundles: Mapping[str, Bundle], tmp_path: Path, fault: str
) -> None:
    """MLX has no graph to look into: its modules are asked."""
    test_a_wrong_layer_is_named(judge, bundles, tmp_path, fault, "mlx_fp32")


@pytest.mark.parametrize(("recipe", "stage"), [
    pytest.param(*of, marks=[] if of[0] in OF_EACH_KIND else pytest.mark.more) for of in CLEAN
])  # fmt: skip
def test_a_clean_graph_has_no_fault(judge: Judge, stage: str, recipe: str) -> None:
    errors = errors_of(judge, stage, recipe)
    assert len(errors) >= LEAST_MODULES
    assert first_fault(errors) is None


def test_quantizing_forgets_no_module(judge: Judge, bundles: Mapping[str, Bundle]) -> None:
    """ONNX Runtime's quantizer drops the notes that say which module a node is from."""
    found = {recipe: {error.path for error in errors_of(judge, "dit", recipe)} for recipe in ("onnx_fp32", "onnx_int8")}
    assert found["onnx_int8"] == found["onnx_fp32"]


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_a_value_that_is_no_number_is_blamed_where_it_arises(judge: Judge, value: float) -> None:
    """In a quantized stage, where a limit follows from the siblings."""
    bundle = judge.contenders["litert_int8"].bundle
    assert bundle is not None
    exact, rounded = judge.model.modules["dit"], as_converted(judge.model, "dit", bundle.path("dit"))
    signature = bundle.manifest.stages["dit"].signature
    inputs = signature.bind(stage_feed("dit", judge.truth(case_called(judge, "drums")), STEP))
    outputs = located(rounded, OPENERS["litert"](bundle.path("dit"), signature, rounded), inputs)
    wrong = "transformer.layers.1.self_attn.to_out"

    class Spoiled(Outputs):
        def values(self, paths: list[str], feed: Mapping[str, Array]) -> dict[str, Array]:
            found = super().values(paths, feed)
            return found | ({wrong: np.full_like(found[wrong], value)} if wrong in found else {})

    spoiled_outputs = Spoiled(graph=outputs.graph, tensors=outputs.tensors)
    rounding = rounding_errors(exact, rounded, spoiled_outputs, inputs)
    found = first_fault(conversion_errors(exact, spoiled_outputs, inputs, rounding))
    assert found is not None
    assert found.path == wrong


@pytest.mark.parametrize("gain", [0.5, 1.2, 2.0])
def test_a_wrong_layer_is_named_in_an_int8_graph(
    judge: Judge, bundles: Mapping[str, Bundle], tmp_path: Path, gain: float
) -> None:
    """Per-channel scales of one layer off: found by its siblings, which err a hundred times less."""
    bundle, wrong = bundles["int8"], "transformer.layers.1.self_attn.to_out"
    weight = judge.model.modules["dit"].get_parameter(f"{wrong}.weight").detach().numpy()
    scales = (np.abs(weight).max(axis=1) / np.float32(127)).astype(np.float32)
    data = bundle.path("dit").read_bytes()
    assert data.count(scales.tobytes()) == 1
    (tmp_path / "spoiled.tflite").write_bytes(data.replace(scales.tobytes(), (scales * np.float32(gain)).tobytes()))
    found = first_fault(errors_of(judge, "dit", "int8", tmp_path / "spoiled.tflite"))
    assert found is not None
    assert found.path == wrong
