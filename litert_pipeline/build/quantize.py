"""An fp32 bundle to a quantized one."""

import dataclasses
import shutil
from pathlib import Path

from litert_pipeline.build.convert import stage_file
from litert_pipeline.build.export import quiet
from litert_pipeline.build.recipes import QuantizerRecipe, Recipe
from litert_pipeline.bundle import StageFile, read_bundle, write_manifest
from litert_pipeline.versions import installed_versions
from reference.progress import Say
from reference.spec.errors import InputError
from reference.spec.files import new_folder


def quantize(source: Path, out: Path, recipe: Recipe, *, force: bool = False, say: Say = lambda _: None) -> None:
    """Quantize the stages `recipe` names, copy the others, write the new bundle, whole or not at all.

    Raises InputError if `source` is no intact, unquantized bundle of the recipe's format, or the quantizer refuses.
    """
    bundle = read_bundle(source)
    quantized = any(entry.source_sha256 for entry in bundle.manifest.stages.values())
    if bundle.manifest.format != recipe.format or quantized:
        raise InputError(
            f"{source}: is a '{bundle.manifest.recipe}' bundle; recipe '{recipe.name}' starts from an "
            f"unquantized {recipe.format} bundle, such as '{recipe.source}'"
        )
    bundle.require_intact()
    with new_folder(out, force) as folder:
        stages: dict[str, StageFile] = {}
        for stage, entry in bundle.manifest.stages.items():
            path = folder / entry.file
            compute = recipe.compute.get(stage, "fp32")
            if stage in recipe.quantize:
                say(f"quantizing {stage}")
                QUANTIZERS[recipe.format](bundle.path(stage), path, recipe.quantize[stage], recipe.name)
                stages[stage] = stage_file(path, entry.signature, compute, source_sha256=entry.sha256)
            else:
                shutil.copyfile(bundle.path(stage), path)
                stages[stage] = dataclasses.replace(entry, compute=compute)
        shutil.copyfile(bundle.tokenizer_path, folder / bundle.manifest.tokenizer_file)
        manifest = dataclasses.replace(
            bundle.manifest, recipe=recipe.name, stages=stages, versions=installed_versions()
        )
        write_manifest(folder, manifest)


def _quantize_litert(source: Path, target: Path, entries: QuantizerRecipe, name: str) -> None:
    with quiet():
        from ai_edge_quantizer.quantizer import Quantizer

        try:
            Quantizer(str(source), entries).quantize().export_model(str(target))
        except (ValueError, KeyError, TypeError, RuntimeError) as error:
            raise InputError(f"recipe '{name}': ai-edge-quantizer refuses it for {source.name} ({error})") from None


def _quantize_onnx(source: Path, target: Path, entries: QuantizerRecipe, name: str) -> None:
    with quiet():
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


QUANTIZERS = {"litert": _quantize_litert, "onnx": _quantize_onnx}
