"""What a manifest says, field by field, beside what the model dir and the files say.

Files, sizes and the format are held to the manifest where it is read, the tensors' shapes where the judge is made: a bundle
that is wrong there cannot be judged.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from litert_pipeline.build.convert import declared_sampler, source_of
from litert_pipeline.build.recipes import recipe_called
from litert_pipeline.bundle import Bundle
from parity.bundles.model_name import named
from parity.measure.arithmetic import FP32_COMPUTE
from reference.codec_stages import CodecStages
from reference.pipeline import Model, StageModel
from reference.spec.errors import InputError
from reference.spec.files import sha256_of
from reference.spec.sampling.releases import SPEC, V0_0_19
from reference.spec.stages import signatures
from reference.spec.tensors import Signature


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A field of a manifest, what stands there, and what would be true."""

    field: str
    says: Any
    truth: Any

    @property
    def false(self) -> bool:
        return bool(self.says != self.truth)

    def __str__(self) -> str:
        return f"the manifest's {self.field} is {self.says}, expected {self.truth}"


def source_claims(bundle: Bundle, model: StageModel) -> Iterator[Claim]:
    """Which model the bundle was converted from."""
    truth = vars(source_of(model))
    for name, says in vars(bundle.manifest.source).items():
        yield Claim(field=f"source.{name}", says=says, truth=truth[name])


def sampler_claims(bundle: Bundle, model: Model) -> Iterator[Claim]:
    """How the model is sampled; a key that is on one side only is false, but for the one that older manifests lack."""
    says, truth = {SPEC: V0_0_19.name, **bundle.manifest.sampler}, declared_sampler(model.spec)
    for name in sorted({*says, *truth}):
        yield Claim(field=f"sampler.{name}", says=says.get(name), truth=truth.get(name))
    yield Claim(field="level_shift", says=bundle.manifest.level_shift, truth=model.spec.level_shift)


def bundle_claims(bundle: Bundle, model: StageModel) -> Iterator[Claim]:
    """What else is said of the bundle as a whole."""
    manifest = bundle.manifest
    yield Claim(field="sample_rate_hz", says=manifest.sample_rate_hz, truth=model.spec.sample_rate_hz)
    if manifest.codec is None:
        yield Claim(field="tokenizer.sha256", says=manifest.tokenizer_sha256, truth=sha256_of(bundle.tokenizer_path))
    else:
        truth = model.spec.codec.shape if isinstance(model, CodecStages) else None
        yield Claim(field="codec", says=manifest.codec, truth=truth)
    if (recipe := recipe_called(manifest.recipe)) is not None:
        yield Claim(field="format", says=manifest.format, truth=recipe.format)


def stage_claims(bundle: Bundle, stage: str, model: StageModel) -> Iterator[Claim]:
    """How a stage is run, and its tensors: their order and the names of their axes, too. What somebody's own recipe asks to be
    computed in is how it is judged."""
    entry, recipe = bundle.manifest.stages[stage], recipe_called(bundle.manifest.recipe)
    if recipe is not None:
        yield Claim(field=f"stages.{stage}.compute", says=entry.compute, truth=recipe.compute.get(stage, FP32_COMPUTE))
    says, truth = _told(entry.signature), _told(signatures(model.spec)[stage])
    for kind in says:
        yield Claim(field=f"stages.{stage}.{kind}", says=says[kind], truth=truth[kind])


def require_same_stages(bundle: Bundle, model: StageModel) -> None:
    """Raise InputError for a stage that the model has not."""
    foreign = [stage for stage in bundle.manifest.stages if stage not in model.spec.stages]
    if foreign:
        raise InputError(
            f"{bundle.folder}: has stage {', '.join(foreign)}, {model.files.config.parent} has {', '.join(model.spec.stages)}; "
            "judge it with the model it was converted from"
        )


def require_same_tensors(bundle: Bundle, model: StageModel) -> None:
    """Raise InputError for a stage whose tensors are not the model's by name, shape and dtype: nobody could feed it."""
    require_same_stages(bundle, model)
    for stage, entry in bundle.manifest.stages.items():
        declared = signatures(model.spec)[stage]
        if not entry.signature.same_tensors(declared):
            says, truth = _told(entry.signature), _told(declared)
            told = ", ".join(f"stages.{stage}.{kind} is {says[kind]}" for kind in says if says[kind] != truth[kind])
            raise InputError(
                f"{bundle.path(stage)}: foreign signature, its tensors are not those of stage '{stage}' of "
                f"{named(model.files.config.parent)}: {told}; judge it with the model it was converted from"
            )


def _told(signature: Signature) -> dict[str, list[str]]:
    return {
        "inputs": [f"{tensor.name} {tensor}" for tensor in signature.inputs],
        "outputs": [f"{tensor.name} {tensor}" for tensor in signature.outputs],
    }
