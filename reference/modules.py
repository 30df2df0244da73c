"""Which torch module a stage is, and where a checkpoint keeps its weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn

from reference.model.conditioner import Conditioner
from reference.model.decoder import Decoder
from reference.model.dit import DiT
from reference.model.encoder import Encoder
from reference.spec.families.table import family_of
from reference.spec.model import ModelSpec
from reference.spec.stages import CONDITIONER, DECODER, DIT, ENCODER


@dataclass(frozen=True, kw_only=True)
class StageModule:
    """`build` gives the untrained module. The official checkpoint has the weights of its part `path` (all of it where that is
    empty) under the key prefix `prefix`; what is beside that part has files of its own."""

    build: Callable[[ModelSpec], nn.Module]
    prefix: str
    path: str = ""


MODULES: dict[str, StageModule] = {
    CONDITIONER: StageModule(build=Conditioner, prefix="conditioner.conditioners.", path="conditioners"),
    DIT: StageModule(build=lambda spec: DiT(spec.dit), prefix="model.model."),
}

# Of the autoencoders, by the name a family gives.
CODECS: dict[str, dict[str, StageModule]] = {
    "oobleck": {
        DECODER: StageModule(
            build=lambda spec: Decoder(spec.decoder, spec.chunks), prefix="pretransform.model.decoder."
        ),
        ENCODER: StageModule(
            build=lambda spec: Encoder(spec.encoder, spec.chunks), prefix="pretransform.model.encoder."
        ),
    },
}


def stage_modules(spec: ModelSpec) -> dict[str, StageModule]:
    """What is known of every stage's module, in the model's order of stages."""
    known = MODULES | CODECS[family_of(spec).codec]
    return {stage: known[stage] for stage in spec.stages}


def build_modules(spec: ModelSpec) -> dict[str, nn.Module]:
    """One untrained module per stage."""
    return {stage: known.build(spec) for stage, known in stage_modules(spec).items()}


def checkpoint_parts(spec: ModelSpec, modules: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """What the official checkpoint holds of these stages, by key prefix. T5 has a file of its own."""
    return {
        known.prefix: modules[stage].get_submodule(known.path)
        for stage, known in stage_modules(spec).items()
        if stage in modules
    }
