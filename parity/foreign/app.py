"""What Arm's audiogen app takes for granted: file names, and which tensor it finds at which place.

Source: ARM-software/ML-examples, `kleidiai-examples/audiogen/app/audiogen.cpp`. Its first revisions (14e7c07 and before) and a
later one (9826a23) expect the DiT's inputs in different orders, because converters wrote them so.
"""

from collections.abc import Mapping
from dataclasses import dataclass

FILES = {
    "conditioner": "conditioners_float32.tflite",
    "dit": "dit_model.tflite",
    "decoder": "autoencoder_model.tflite",
}


@dataclass(frozen=True, kw_only=True)
class Place:
    """A tensor the app reaches by its place among a graph's inputs or outputs, and the constant in the source that says it."""

    stage: str
    kind: str
    position: int
    tensor: str
    dtype: str
    constant: str


@dataclass(frozen=True, kw_only=True)
class Revision:
    """One revision of the app."""

    name: str
    dit_inputs: tuple[str, ...]
    counts_values: bool = False  # whether it compares numbers of values before it copies

    @property
    def places(self) -> tuple[Place, ...]:
        """Every tensor it touches."""
        dit = tuple(
            Place(stage="dit", kind="input", position=at, tensor=name, dtype="float32", constant=DIT_CONSTANTS[name])
            for at, name in enumerate(self.dit_inputs)
        )
        return (*CONDITIONER, *dit, *REST)


DIT_CONSTANTS: Mapping[str, str] = {
    "cross_attention_cond": "k_dit_crossattn_in_idx",
    "global_cond": "k_dit_globalcond_in_idx",
    "x": "k_dit_x_in_idx",
    "t": "k_dit_t_in_idx",
}
CONDITIONER = (
    Place(stage="conditioner", kind="input", position=0, tensor="input_ids", dtype="int64", constant="k_t5_ids_in_idx"),
    Place(
        stage="conditioner", kind="input", position=1, tensor="attention_mask", dtype="int64",
        constant="k_t5_attnmask_in_idx",
    ),
    Place(
        stage="conditioner", kind="input", position=2, tensor="seconds_total", dtype="float32",
        constant="k_t5_audio_len_in_idx",
    ),
    Place(
        stage="conditioner", kind="output", position=0, tensor="cross_attention_cond", dtype="float32",
        constant="k_t5_crossattn_out_idx",
    ),
    Place(
        stage="conditioner", kind="output", position=2, tensor="global_cond", dtype="float32",
        constant="k_t5_globalcond_out_idx",
    ),
)  # fmt: skip
REST = (
    Place(stage="dit", kind="output", position=0, tensor="velocity", dtype="float32", constant="k_dit_out_idx"),
    Place(stage="decoder", kind="input", position=0, tensor="latents", dtype="float32", constant="inputs()[0]"),
    Place(stage="decoder", kind="output", position=0, tensor="audio", dtype="float32", constant="outputs()[0]"),
)
REVISIONS = (
    Revision(name="14e7c07", dit_inputs=("cross_attention_cond", "global_cond", "x", "t")),
    Revision(name="9826a23", dit_inputs=("t", "global_cond", "cross_attention_cond", "x"), counts_values=True),
)
ORDERS: Mapping[str, tuple[tuple[str, ...], ...]] = {"dit": tuple(revision.dit_inputs for revision in REVISIONS)}
