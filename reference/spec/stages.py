"""The stage table: which tensors a stage takes and gives, how often a generation calls it, where a trace holds their
values. Whatever depends on the stage asks its row; the names of stages are written here only, and in the faults."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reference.spec.model import ModelSpec
from reference.spec.noise import ENCODER_NOISE
from reference.spec.tensors import Array, Signature, Tensor, Tensors
from reference.spec.trace import LEVELS, at_step, crossed, steps

CONDITIONER, DIT, DECODER, ENCODER = "conditioner", "dit", "decoder", "encoder"

Axes = Callable[[ModelSpec], Mapping[str, int]]
Held = Callable[[Mapping[str, Array], int], Array]  # (trace, call) -> value


@dataclass(frozen=True, kw_only=True)
class Port:
    """A tensor a stage takes or gives. `held` finds its value in a trace; without it the trace has it by its name.

    `drawn`: it is noise, taken from the generation's stream and not from another stage.
    """

    name: str
    axes: Axes
    dtype: str = "float32"
    held: Held | None = None
    drawn: bool = False

    def tensor(self, spec: ModelSpec) -> Tensor:
        """The port of a model, at batch 1."""
        return Tensor(name=self.name, axes=self.axes(spec), dtype=self.dtype)

    def value(self, trace: Mapping[str, Array], call: int) -> Array:
        """What it was at a call of the generation, as stored. Raises KeyError where the trace lacks it."""
        return trace[self.name] if self.held is None else self.held(trace, call)


@dataclass(frozen=True, kw_only=True)
class StageRow:
    """One stage. `per_step`: the sampler calls it in every step, not once per generation.

    `optional`: only audio-to-audio runs it, so a bundle may do without.
    """

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    per_step: bool = False
    optional: bool = False

    @property
    def draws(self) -> tuple[str, ...]:
        """Its inputs that are noise."""
        return tuple(port.name for port in self.inputs if port.drawn)

    def signature(self, spec: ModelSpec) -> Signature:
        """Its tensors in a model, at batch 1."""
        inputs, outputs = (tuple(port.tensor(spec) for port in ports) for ports in (self.inputs, self.outputs))
        return Signature(inputs=inputs, outputs=outputs)

    def calls(self, trace: Mapping[str, Array]) -> int:
        """How often the generation that left `trace` called it; one of a sampler's several evaluations a step counts."""
        return self.calls_in(steps(trace)) if self.per_step else 1

    def calls_in(self, sampler_steps: int) -> int:
        """The same for a generation of so many sampler steps."""
        return sampler_steps if self.per_step else 1

    def step(self, call: int) -> int | None:
        """The sampler step a call belongs to, None for a stage that is called once."""
        return call if self.per_step else None

    def feed(self, trace: Mapping[str, Array], call: int = 0) -> Tensors:
        """Its inputs at that call, float32 and int32 as they cross between stages."""
        return {port.name: crossed(port.value(trace, call)) for port in self.inputs}

    def truth(self, trace: Mapping[str, Array], call: int = 0) -> Tensors:
        """Its outputs at that call, by output name, in the precision the trace holds."""
        return {port.name: port.value(trace, call) for port in self.outputs}


def _of_step(name: str) -> Held:
    """A value the trace holds once per sampler step."""
    return lambda trace, call: trace[at_step(name, call)]


def _level(trace: Mapping[str, Array], call: int) -> Array:
    """The level at a step, (batch 1)."""
    return trace[LEVELS][call : call + 1]


def _batch(spec: ModelSpec) -> Mapping[str, int]:
    return {"batch": 1}


def _tokens(spec: ModelSpec) -> Mapping[str, int]:
    return {"batch": 1, "token": spec.prompt.max_length}


def _cross(spec: ModelSpec) -> Mapping[str, int]:
    return {"batch": 1, "cond_token": spec.prompt.max_length + 1, "cond_channel": spec.cond_dim}


def _global(spec: ModelSpec) -> Mapping[str, int]:
    return {"batch": 1, "cond_channel": spec.cond_dim}


def _latent(spec: ModelSpec) -> Mapping[str, int]:
    return {"batch": 1, "latent_channel": spec.latent_channels, "frame": spec.latent_frames}


def _sound(spec: ModelSpec) -> Mapping[str, int]:
    return {"batch": 1, "audio_channel": spec.audio_channels, "sample": spec.sample_size}


CROSS = Port(name="cross_attention_cond", axes=_cross)
GLOBAL = Port(name="global_cond", axes=_global)
AUDIO = Port(name="audio", axes=_sound)

ROWS = (
    StageRow(
        name=CONDITIONER,
        inputs=(
            Port(name="input_ids", axes=_tokens, dtype="int32"),
            Port(name="attention_mask", axes=_tokens, dtype="int32"),
            Port(name="seconds_total", axes=_batch),
        ),
        outputs=(CROSS, GLOBAL),
    ),
    StageRow(
        name=DIT,
        inputs=(Port(name="x", axes=_latent, held=_of_step("x")), Port(name="t", axes=_batch, held=_level), CROSS, GLOBAL),
        outputs=(Port(name="velocity", axes=_latent, held=_of_step("v")),),
        per_step=True,
    ),
    StageRow(name=DECODER, inputs=(Port(name="latents", axes=_latent),), outputs=(AUDIO,)),
    StageRow(
        name=ENCODER,
        inputs=(AUDIO, Port(name=ENCODER_NOISE, axes=_latent, drawn=True)),
        outputs=(Port(name="init_latents", axes=_latent),),
        optional=True,
    ),
)

STAGE_TABLE: dict[str, StageRow] = {row.name: row for row in ROWS}  # in the order a generation runs them
GENERATION = tuple(row.name for row in ROWS if not row.optional)  # what every generation runs
ALL_STAGES = tuple(STAGE_TABLE)


def signatures(spec: ModelSpec) -> dict[str, Signature]:
    """The signature of every stage of the model `spec` describes, at batch 1."""
    return {name: STAGE_TABLE[name].signature(spec) for name in spec.stages}
