"""An fp32 bundle to a quantized one."""

import dataclasses
import re
import shutil
from pathlib import Path

from litert_pipeline.build.convert import copy_model, stage_file
from litert_pipeline.build.export import quiet
from litert_pipeline.build.mlx import quantize_mlx
from litert_pipeline.build.recipes import QuantizerRecipe, Recipe, recipe_called, require_fitting
from litert_pipeline.bundle import StageFile, read_bundle, write_manifest
from litert_pipeline.mlx_file import MLX
from reference.progress import Say, numbered
from reference.spec.errors import InputError
from reference.spec.files import check_folder, new_folder
from reference.spec.privacy import forbid_telemetry


def quantize(source: Path, out: Path, recipe: Recipe, *, force: bool = False, say: Say = lambda _: None) -> None:
    """Quantize the stages `recipe` names, copy the others, write the new bundle, whole or not at all.

    Raises InputError if `source` is no intact, unquantized bundle of the recipe's format, or the quantizer refuses.
    """
    check_folder(out, "bundle", force, [source])
    bundle = read_bundle(source)
    made_by = recipe_called(bundle.manifest.recipe)  # one that is not here quantizes
    if bundle.manifest.format != recipe.format or made_by is None or made_by.quantize:
        raise InputError(
            f"{source}: is a '{bundle.manifest.recipe}' bundle; recipe '{recipe.name}' starts from an "
            f"unquantized {recipe.format} bundle, such as '{recipe.source}'"
        )
    require_fitting(recipe, bundle.manifest.stages)
    bundle.require_intact()
    with new_folder(out, "bundle", force) as folder:
        stages: dict[str, StageFile] = {}
        for place, (stage, entry) in numbered(bundle.manifest.stages.items()):
            path = folder / entry.file
            compute = recipe.compute.get(stage, "fp32")
            if stage in recipe.quantize:
                say(f"quantizing {stage}, {place}")
                QUANTIZERS[recipe.format](bundle.path(stage), path, recipe.quantize[stage], recipe.name)
                _require_smaller(path, entry, stage, recipe)
                stages[stage] = stage_file(path, entry.signature, compute)
            else:
                say(f"copying {stage}, {place}")
                copy_model(bundle.path(stage), folder)
                stages[stage] = dataclasses.replace(entry, compute=compute)
        if bundle.manifest.codec is None:
            shutil.copyfile(bundle.tokenizer_path, folder / bundle.manifest.tokenizer_file)
        write_manifest(folder, dataclasses.replace(bundle.manifest, recipe=recipe.name, stages=stages))


def _require_smaller(path: Path, source: StageFile, stage: str, recipe: Recipe) -> None:
    """Raise InputError for a stage that came out as large as it was: nothing in it was quantized."""
    found = path.stat().st_size
    if found >= source.size_bytes:
        raise InputError(
            f"recipe '{recipe.name}': leaves {stage} at {found} bytes, it had {source.size_bytes}; its rules fit nothing there, "
            "change or leave them out"
        )


def _quantize_litert(source: Path, target: Path, entries: QuantizerRecipe, name: str) -> None:
    with quiet():
        from litert_quantizer.quantizer import Quantizer

        try:
            quantized = Quantizer(str(source), entries).quantize().quantized_model
        except (ValueError, LookupError, TypeError, RuntimeError, AttributeError, AssertionError, re.error) as error:
            raise InputError(f"recipe '{name}': litert-quantizer refuses it for {source.name} ({error})") from None
    target.write_bytes(quantized)  # its own export writes through memory: where the disk is full that ends the process


def _quantize_onnx(source: Path, target: Path, entries: QuantizerRecipe, name: str) -> None:
    with quiet():
        forbid_telemetry()
        import onnx
        from onnxruntime.quantization import quantize_dynamic

        (entry,) = entries
        model = onnx.load(source)
        del model.graph.value_info[:]  # the exporter folds transposes into weights and leaves the old shapes behind
        noted = {node.output[0]: list(node.metadata_props) for node in model.graph.node}
        quantize_dynamic(
            model, str(target), op_types_to_quantize=entry["op_types"], per_channel=entry["per_channel"]
        )
        quantized = onnx.load(target)
        for node in quantized.graph.node:  # new nodes do not say which module they belong to
            if not node.metadata_props:
                node.metadata_props.extend(noted.get(node.output[0], ()))
        onnx.save(quantized, target)


QUANTIZERS = {"litert": _quantize_litert, "onnx": _quantize_onnx, MLX: quantize_mlx}
