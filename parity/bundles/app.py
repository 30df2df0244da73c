"""What Arm's audiogen app takes for granted: file names, and which tensor it finds at which place.

Source: ARM-software/ML-examples, `kleidiai-examples/audiogen/app/audiogen.cpp`. Its first revisions (14e7c07 and before) and a
later one (9826a23) expect the DiT's inputs in different orders, because converters wrote them so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from reference.spec.stages import CONDITIONER, DECODER, DIT

FILES = {
    CONDITIONER: "conditioners_float32.tflite",
    DIT: "dit_model.tflite",
    DECODER: "autoencoder_model.tflite",
}


class Place(NamedTuple):
    """A tensor the app reaches by its place among a graph's inputs or outputs, and the constant in the source that says it."""

    stage: str
    kind: str
    position: int
    tensor: str
    constant: str
    dtype: str = "float32"


@dataclass(frozen=True, kw_only=True)
class Revision:
    """One revision of the app."""

    name: str
    dit_inputs: tuple[str, ...]
    counts_values: bool = False  # whether it compares numbers of values before it copies

    @property
    def places(self) -> tuple[Place, ...]:
        """Every tensor it touches."""
        dit = (Place(DIT, "input", at, name, DIT_CONSTANTS[name]) for at, name in enumerate(self.dit_inputs))
        return (*CONDITIONER_PLACES, *dit, *REST)


DIT_CONSTANTS: Mapping[str, str] = {
    "cross_attention_cond": "k_dit_crossattn_in_idx",
    "global_cond": "k_dit_globalcond_in_idx",
    "x": "k_dit_x_in_idx",
    "t": "k_dit_t_in_idx",
}
CONDITIONER_PLACES = (
    Place(CONDITIONER, "input", 0, "input_ids", "k_t5_ids_in_idx", "int64"),
    Place(CONDITIONER, "input", 1, "attention_mask", "k_t5_attnmask_in_idx", "int64"),
    Place(CONDITIONER, "input", 2, "seconds_total", "k_t5_audio_len_in_idx"),
    Place(CONDITIONER, "output", 0, "cross_attention_cond", "k_t5_crossattn_out_idx"),
    Place(CONDITIONER, "output", 2, "global_cond", "k_t5_globalcond_out_idx"),
)
REST = (
    Place(DIT, "output", 0, "velocity", "k_dit_out_idx"),
    Place(DECODER, "input", 0, "latents", "inputs()[0]"),
    Place(DECODER, "output", 0, "audio", "outputs()[0]"),
)
REVISIONS = (
    Revision(name="14e7c07", dit_inputs=("cross_attention_cond", "global_cond", "x", "t")),
    Revision(name="9826a23", dit_inputs=("t", "global_cond", "cross_attention_cond", "x"), counts_values=True),
)
ORDERS: Mapping[str, tuple[tuple[str, ...], ...]] = {DIT: tuple(revision.dit_inputs for revision in REVISIONS)}
