"""A model dir to a bundle."""

import shutil
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from torch import nn

from litert_pipeline.build.export import WRITERS
from litert_pipeline.build.recipes import Recipe
from litert_pipeline.build.rewrites import fold_oobleck, freeze_rope
from litert_pipeline.bundle import Manifest, Source, StageFile, write_manifest
from reference.model.weights import find_t5_weights
from reference.model_files import SPIECE_NAME
from reference.pipeline import Model, load_model
from reference.spec.files import new_folder, sha256_of
from reference.spec.sampler import SamplerSpec
from reference.spec.tensors import ALL_STAGES, Signature, signatures

RECORDED_PACKAGES = (
    "torch", "litert-torch", "litert-converter", "ai-edge-litert", "ai-edge-quantizer",
    "onnx", "onnxscript", "onnxruntime", "numpy", "sentencepiece",
)  # fmt: skip

Say = Callable[[str], None]


def convert(model_dir: Path, out: Path, recipe: Recipe, *, force: bool = False, say: Say = lambda _: None) -> None:
    """Convert every stage of a model dir and write the bundle, whole or not at all.

    Raises InputError for a bad model dir or an existing `out` without `force`.
    """
    with new_folder(out, force) as folder:
        model = load_model(model_dir)
        declared = signatures(model.spec)
        stages = {}
        for stage in ALL_STAGES:
            say(f"converting {stage} to {recipe.format}")
            stages[stage] = _convert_stage(model, stage, declared[stage], recipe, folder)
        shutil.copyfile(model.t5_folder / SPIECE_NAME, folder / SPIECE_NAME)
        sampler = SamplerSpec()
        described = {name: getattr(sampler, name) for name in ("name", "steps", "sigma_max")}
        write_manifest(
            folder,
            Manifest(
                recipe=recipe.name,
                format=recipe.format,
                source=source_of(model),
                sampler={**described, "levels": list(sampler.levels())},
                level_shift=model.spec.level_shift,
                sample_rate_hz=model.spec.sample_rate_hz,
                tokenizer_file=SPIECE_NAME,
                tokenizer_sha256=sha256_of(folder / SPIECE_NAME),
                stages=stages,
                versions=installed_versions(),
            ),
        )


def source_of(model: Model) -> Source:
    """The hashes that identify a model dir."""
    return Source(
        config_sha256=sha256_of(model.files.config),
        weights_sha256=model.files.weights_sha256(),
        t5_sha256=sha256_of(find_t5_weights(model.t5_folder)),
    )


def exportable(model: Model, stage: str) -> nn.Module:
    """The stage's module, rewritten for conversion."""
    module = model.modules[stage]
    if stage == "dit":
        return freeze_rope(module, model.spec.dit.positions(model.spec.latent_frames))
    return fold_oobleck(module)


def stage_file(path: Path, signature: Signature, compute: str, source_sha256: str | None = None) -> StageFile:
    """The manifest entry of a file just written."""
    return StageFile(
        file=path.name,
        sha256=sha256_of(path),
        size_bytes=path.stat().st_size,
        compute=compute,
        signature=signature,
        source_sha256=source_sha256,
    )


def installed_versions() -> dict[str, str]:
    """Versions of everything that can change a converted file or its numbers."""
    found = {}
    for package in RECORDED_PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _convert_stage(model: Model, stage: str, signature: Signature, recipe: Recipe, folder: Path) -> StageFile:
    suffix, write = WRITERS[recipe.format]
    path = folder / f"{stage}{suffix}"
    write(exportable(model, stage), signature, path)
    return stage_file(path, signature, recipe.compute.get(stage, "fp32"))
