"""What Arm's audiogen app takes for granted: file names, and which tensor it finds at which place.

Source: ARM-software/ML-examples, `kleidiai-examples/audiogen/app/audiogen.cpp`. Its first revisions (14e7c07 and before) and
later ones expect the DiT's inputs in different orders, because converters wrote them so. The later ones exist with the classic
Interpreter and with CompiledModel (9826a23, 02f8958). Ids are int64 in all: litert-torch 0.9.0 wrote them so, 0.10.0 int32.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from parity.bundles.interface import FileTensor
from reference.spec.stages import CONDITIONER, DECODER, DIT, ENCODER

FILES = {
    CONDITIONER: "conditioners_float32.tflite",
    DIT: "dit_model.tflite",
    DECODER: "autoencoder_model.tflite",
}
ENCODER_FILE = "autoencoder_encoder_model.tflite"  # which only `-i` opens
INTERPRETER, COMPILED = "the classic Interpreter", "CompiledModel"


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
    """One revision of the app.

    `api`: the classic Interpreter counts places in the graph, CompiledModel in the signature. `counts_values`: it compares
    numbers of values of conditioning, x and velocity before it copies; `counts_ids`: a prompt of too many tokens stops it, and
    an empty one. `half` are the stages it forces to compute in FP16; `takes_options`: seconds (`-l`), steps, init audio.
    """

    name: str
    dit_inputs: tuple[str, ...]
    api: str = INTERPRETER
    counts_values: bool = False
    counts_ids: bool = False
    takes_options: bool = True
    half: tuple[str, ...] = (DECODER, ENCODER)

    def position(self, tensor: FileTensor) -> int:
        """At which place it finds a tensor."""
        return tensor.signed if self.api == COMPILED else tensor.position

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
OLD_ORDER = ("cross_attention_cond", "global_cond", "x", "t")
NEW_ORDER = ("t", "global_cond", "cross_attention_cond", "x")
REVISIONS = (
    Revision(name="14e7c07", dit_inputs=OLD_ORDER, takes_options=False, half=(DECODER,)),
    Revision(name="with the Interpreter, new order", dit_inputs=NEW_ORDER),
    Revision(name="9826a23", dit_inputs=NEW_ORDER, api=COMPILED, counts_values=True, half=(ENCODER,)),
    Revision(name="02f8958", dit_inputs=NEW_ORDER, api=COMPILED, counts_values=True, counts_ids=True, half=(ENCODER,)),
)
ORDERS: Mapping[str, tuple[tuple[str, ...], ...]] = {DIT: tuple(revision.dit_inputs for revision in REVISIONS)}
