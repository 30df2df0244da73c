"""A model dir to a bundle."""

import shutil
from pathlib import Path
from typing import Any

from litert_pipeline.build.own_process import convert_in_own_process
from litert_pipeline.build.recipes import Recipe, require_fitting
from litert_pipeline.build.stage import stage_name, write_stage
from litert_pipeline.bundle import Bundle, Manifest, Source, StageFile, write_manifest
from litert_pipeline.model_file import parts_of, sha256_of_model, size_of_model
from reference.codec_stages import CodecStages, load_stages
from reference.model_files import SPIECE_NAME
from reference.pipeline import Model, StageModel
from reference.progress import Say, numbered
from reference.spec.errors import InputError
from reference.spec.families.table import samplers_of
from reference.spec.files import new_folder, sha256_of
from reference.spec.model import ModelSpec
from reference.spec.sampling.releases import SPEC
from reference.spec.sampling.samplers import SamplerSpec
from reference.spec.stages import signatures
from reference.spec.tensors import Signature


def convert(
    model_dir: Path,
    out: Path,
    recipe: Recipe,
    *,
    base: Bundle | None = None,
    force: bool = False,
    say: Say = lambda _: None,
) -> None:
    """Convert every stage of a model dir and write the bundle, whole or not at all. Stages of a large model are
    converted one by one in processes of their own.

    Where the recipe has a route of its own for some stages, the others are copied from `base` so far as it has them.
    Raises InputError for a bad model dir, an existing `out` without `force`, or a base of another model or recipe.
    """
    with new_folder(out, "bundle", force) as folder:
        model = load_stages(model_dir)
        declared = signatures(model.spec)
        require_fitting(recipe, declared)
        if base is not None:
            _check_base(base, recipe, model)
        stages = {}
        for place, (stage, signature) in numbered(declared.items()):
            if base is not None and stage not in recipe.routes and stage in base.manifest.stages:
                copy_model(base.path(stage), folder)
                stages[stage] = base.manifest.stages[stage]
                continue
            say(f"converting {stage} to {recipe.routes.get(stage, recipe.format)}, {place}")
            path = folder / stage_name(stage, recipe)
            if model.large:
                peak_bytes = convert_in_own_process(model_dir, recipe.name, stage, path)
                say(f"{stage}: {path.stat().st_size / 1e6:.0f} MB, its process took {peak_bytes / 2**30:.1f} GiB at most")
            else:
                write_stage(model, stage, recipe, path)
            stages[stage] = stage_file(path, signature, recipe.compute.get(stage, "fp32"))
        write_manifest(
            folder,
            Manifest(
                recipe=recipe.name,
                format=recipe.format,
                source=source_of(model),
                sample_rate_hz=model.spec.sample_rate_hz,
                stages=stages,
                **_declared(model, folder),
            ),
        )


def _declared(model: StageModel, folder: Path) -> dict[str, Any]:
    """What else a manifest says, of a model that generates or of a codec; the tokenizer goes into the folder."""
    if isinstance(model, CodecStages):
        return {"codec": model.spec.codec.shape}
    assert isinstance(model, Model)
    shutil.copyfile(model.text_files()["tokenizer"], folder / SPIECE_NAME)
    return {
        "sampler": declared_sampler(model.spec),
        "level_shift": model.spec.level_shift,
        "tokenizer_file": SPIECE_NAME,
        "tokenizer_sha256": sha256_of(folder / SPIECE_NAME),
    }


def copy_model(path: Path, folder: Path) -> None:
    """A model file and its external data into the root of a folder under construction."""
    for part in parts_of(path):
        target = folder / part.relative_to(path.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(part, target)


def _check_base(base: Bundle, recipe: Recipe, model: StageModel) -> None:
    """Raise InputError if stages of `base` may not stand beside those of `recipe` made from `model`."""
    if not recipe.routes or base.manifest.recipe != recipe.source:
        takes = f"starts from a '{recipe.source}' bundle" if recipe.routes else "converts every stage itself"
        raise InputError(f"{base.folder}: is a '{base.manifest.recipe}' bundle; recipe '{recipe.name}' {takes}")
    if base.manifest.source != source_of(model):
        raise InputError(f"{base.folder}: was not converted from {model.files.config.parent}; convert that model again")
    base.require_intact()


def declared_sampler(spec: ModelSpec) -> dict[str, Any]:
    """The sampler a bundle says it is made for: the usual one of its model, with its levels, and whose they are; its last stop
    and its guidance where there is any."""
    name = samplers_of(spec)[0]
    usual = SamplerSpec(name=name).usual
    sampler = SamplerSpec(name=name, steps=usual.steps)
    described: dict[str, Any] = {"name": sampler.name, "steps": sampler.steps, "sigma_max": sampler.highest}
    described |= {"sigma_min": sampler.lowest} if sampler.lowest else {}
    described |= {"cfg_scale": usual.cfg_scale} if usual.cfg_scale != 1 else {}
    return {SPEC: sampler.release.name, **described, "levels": list(sampler.levels())}


def source_of(model: StageModel) -> Source:
    """The hashes that identify a model dir."""
    t5 = model.text_files().get("t5")
    return Source(
        config_sha256=sha256_of(model.files.config),
        weights_sha256=model.files.weights_sha256(),
        t5_sha256=None if t5 is None else sha256_of(t5),
    )


def stage_file(path: Path, signature: Signature, compute: str) -> StageFile:
    """The manifest entry of a file just written."""
    return StageFile(
        file=path.name,
        sha256=sha256_of_model(path),
        size_bytes=size_of_model(path),
        compute=compute,
        signature=signature,
    )
