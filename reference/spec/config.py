"""Read a `model_config.json` in the official format."""

from collections.abc import Callable
from pathlib import Path

from reference.spec.families.stable_audio_open import read_config
from reference.spec.model import ModelSpec
from reference.spec.section import read_json

CONFIG_NAME = "model_config.json"


def read_model_spec(config: Path, t5_folder: Callable[[str], Path]) -> ModelSpec:
    """The spec of a model dir; `t5_folder` finds the T5 folder by the name the config gives.

    Raises InputError for a missing file or key, a wrong type, an unsupported value, an unknown key,
    and for numbers that contradict each other.
    """
    return read_config(read_json(config), t5_folder)
