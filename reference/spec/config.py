"""Read a `model_config.json` in the official format, by the reader of its family."""

from pathlib import Path

from reference.spec.errors import InputError
from reference.spec.families.family import T5Folder
from reference.spec.families.table import recognised
from reference.spec.model import ModelSpec
from reference.spec.section import read_json

CONFIG_NAME = "model_config.json"
CODEC_ALONE = "autoencoder"  # the `model_type` of a codec that stands alone


def read_model_spec(config: Path, t5_folder: T5Folder) -> ModelSpec:
    """The spec of a model dir; `t5_folder` finds the T5 folder by the name the config gives.

    Raises InputError for a missing file or key, a wrong type, an unsupported value, an unknown key,
    and for numbers that contradict each other.
    """
    top = read_json(config)
    if top.peek("model_type") == CODEC_ALONE:
        raise InputError(f"{config}: is of a codec alone, which generates nothing; code audio with 'python -m reference codec'")
    return recognised(top).read(top, t5_folder)
