"""What a model family is: how its config is recognised and read, and what it is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reference.spec.model import ModelSpec
from reference.spec.section import Section

T5Folder = Callable[[str], Path]  # the T5 folder of a model dir, by the name its config gives


@dataclass(frozen=True, kw_only=True)
class Family:
    """One family of models. Names are those of the tables that have the rest.

    `read` takes a config whose `model_type` is the family's and whose objective, which stands under the nested keys
    `objective_at`, is one of `objectives` (`OBJECTIVES`). `stages` are rows of the stage table; `samplers` those that fit
    the objectives (`SAMPLERS`), of each objective the usual one first; `numbers` may condition it beside the prompt;
    `codec` is its autoencoder (`CODECS` in `reference/modules.py`).
    """

    name: str
    model_type: str
    read: Callable[[Section, T5Folder], ModelSpec]
    objectives: tuple[str, ...]
    objective_at: tuple[str, ...]
    stages: tuple[str, ...]
    samplers: tuple[str, ...]
    numbers: tuple[str, ...]
    codec: str
