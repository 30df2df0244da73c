"""What a model family is: how its config is recognised and read, and what it is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reference.spec.model import ModelSpec
from reference.spec.section import Section

T5Folder = Callable[[str], Path]  # the T5 folder of a model dir, by the name its config gives


@dataclass(frozen=True, kw_only=True)
class Family:
    """`read` reads a config whose `model_type` is the family's and whose objective, found at the keys `objective_at`, is
    one of `objectives` (names in `sampling.objective.OBJECTIVES`).

    `stages` name rows of the stage table, `samplers` those of `SAMPLERS` that fit the objectives, the usual one first; `numbers` are the numbers
    that condition it beside the prompt, and `codec` names the autoencoder, whose modules `reference/modules.py` has.
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
