"""The families, and which one a config is of."""

from reference.spec.errors import InputError
from reference.spec.families.codec import CodecFamily
from reference.spec.families.family import Family
from reference.spec.families.same import SAME
from reference.spec.families.stable_audio_open import STABLE_AUDIO_OPEN
from reference.spec.model import ModelSpec
from reference.spec.sampling.objective import OBJECTIVES
from reference.spec.sampling.samplers import fitting
from reference.spec.section import Section

FAMILIES: dict[str, Family] = {family.name: family for family in (STABLE_AUDIO_OPEN,)}
CODEC_FAMILIES: dict[str, CodecFamily] = {family.name: family for family in (SAME,)}


def family_of(spec: ModelSpec) -> Family:
    """The family a spec was read by."""
    return FAMILIES[spec.family]


def samplers_of(spec: ModelSpec) -> tuple[str, ...]:
    """The samplers that fit what the model was trained to answer, the usual one first."""
    return fitting(family_of(spec).samplers, OBJECTIVES[spec.objective])


def recognised(top: Section) -> Family:
    """The family a config is of, by its model type and objective. Takes nothing from the config but the type.

    Raises InputError for a type or an objective of no family, naming those there are.
    """
    types = tuple(dict.fromkeys(family.model_type for family in FAMILIES.values()))
    model_type = top.choice("model_type", types)
    families = [family for family in FAMILIES.values() if family.model_type == model_type]
    for family in families:
        if top.peek(*family.objective_at) in family.objectives:
            return family
    found = top.peek(*families[0].objective_at)
    if not isinstance(found, str):
        return families[0]  # its reader knows what a missing objective means, and says where it is no string
    supported = ", ".join(objective for family in families for objective in family.objectives)
    where = ".".join(families[0].objective_at)
    raise InputError(f"{top.file}: '{where}' is '{found}', which is not supported; supported: {supported}")
