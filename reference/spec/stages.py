"""The stage table: which tensors a stage takes and gives, how often a generation calls it, where a trace holds their
values. Whatever depends on the stage asks its row; the names of stages are written here only, and in the faults."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from reference.spec.domain import Domain, Levels, Normal, Place, Present, Seconds, Sounds, TokenIds, TokenMask
from reference.spec.model import SECONDS_TOTAL, ModelSpec, StageSpec
from reference.spec.noise import ENCODER_NOISE
from reference.spec.tensors import Array, Signature, Tensor, Tensors
from reference.spec.trace import LEVELS, at_step, crossed, steps

CONDITIONER, DIT, DECODER, ENCODER = "conditioner", "dit", "decoder", "encoder"
SAME_ENCODER, SAME_DECODER = "same_encoder", "same_decoder"

Axes = Callable[[Any], Mapping[str, int]]  # of a StageSpec; what reads text or numbers, of a ModelSpec


class Held(Protocol):
    """Where a trace holds a value that it has once per sampler step."""

    def __call__(self, trace: Mapping[str, Array], call: int) -> Array:
        """The value at a call."""

    def keep(self, trace: Tensors, call: int, value: Array) -> None:
        """Put a value there. Calls are kept in order."""


@dataclass(frozen=True, kw_only=True)
class Port:
    """A tensor a stage takes or gives. `held` finds its value in a trace; without it the trace has it by its name.

    `drawn`: it is noise, taken from the generation's stream and not from another stage. `domain` is what an input may be;
    without one it is only what another stage answers.
    """

    name: str
    axes: Axes
    dtype: str = "float32"
    held: Held | None = None
    drawn: bool = False
    domain: Domain | None = None

    def tensor(self, spec: StageSpec) -> Tensor:
        """The port of a model, at batch 1."""
        return Tensor(name=self.name, axes=self.axes(spec), dtype=self.dtype)

    def value(self, trace: Mapping[str, Array], call: int) -> Array:
        """What it was at a call of the generation, as stored. Raises KeyError where the trace lacks it."""
        return trace[self.name] if self.held is None else self.held(trace, call)

    def keep(self, trace: Tensors, call: int, value: Array) -> None:
        """Put what it was at a call into a trace."""
        if self.held is None:
            trace[self.name] = value
        else:
            self.held.keep(trace, call, value)


@dataclass(frozen=True, kw_only=True)
class StageRow:
    """One stage. `per_step`: the sampler calls it in every step, not once per generation.

    `optional`: only audio-to-audio runs it, so a bundle may do without. `whole_sound`: a call of it takes or gives one, and
    is slow. `joined` makes inputs that were drawn apart fit together.
    """

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    per_step: bool = False
    optional: bool = False
    whole_sound: bool = False
    joined: Callable[[Tensors], Tensors] = lambda feed: feed

    @property
    def draws(self) -> tuple[str, ...]:
        """Its inputs that are noise."""
        return tuple(port.name for port in self.inputs if port.drawn)

    def signature(self, spec: StageSpec) -> Signature:
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

    def drawn(self, place: Place, trace: Mapping[str, Array]) -> Tensors:
        """Inputs drawn from their domains; those that have none are the trace's, at its first call."""
        fed = self.feed(trace)
        drawn = [port for port in self.inputs if port.domain is not None]
        return self.joined(fed | {port.name: port.domain.value(place, port.tensor(place.spec)) for port in drawn if port.domain})

    def kept(self, feeds: list[Tensors], answers: list[Tensors]) -> Tensors:
        """The trace that holds what the stage was fed and what it answered, call by call: `feed` and `truth` backwards."""
        trace: Tensors = {}
        for call, (fed, answer) in enumerate(zip(feeds, answers, strict=True)):
            for port in (*self.inputs, *self.outputs):
                port.keep(trace, call, {**fed, **answer}[port.name])
        return trace

    def truth(self, trace: Mapping[str, Array], call: int = 0) -> Tensors:
        """Its outputs at that call, by output name, in the precision the trace holds."""
        return {port.name: port.value(trace, call) for port in self.outputs}


@dataclass(frozen=True, kw_only=True)
class OfStep:
    """A value the trace holds under `name` once per sampler step."""

    name: str

    def __call__(self, trace: Mapping[str, Array], call: int) -> Array:
        return trace[at_step(self.name, call)]

    def keep(self, trace: Tensors, call: int, value: Array) -> None:
        trace[at_step(self.name, call)] = value


class Level:
    """The level at a step, (batch 1)."""

    def __call__(self, trace: Mapping[str, Array], call: int) -> Array:
        return trace[LEVELS][call : call + 1]

    def keep(self, trace: Tensors, call: int, value: Array) -> None:
        before = trace[LEVELS][:call] if call else np.zeros(0, value.dtype)
        trace[LEVELS] = np.concatenate([before, value, np.zeros(1, value.dtype)])  # ends at 0, as all do


def _batch(spec: StageSpec) -> Mapping[str, int]:
    return {"batch": 1}


def _tokens(spec: ModelSpec) -> Mapping[str, int]:
    return {"batch": 1, "token": spec.prompt.max_length}


def _cross(spec: ModelSpec) -> Mapping[str, int]:
    return {"batch": 1, "cond_token": spec.prompt.max_length + len(spec.numbers), "cond_channel": spec.cond_dim}


def _global(spec: ModelSpec) -> Mapping[str, int]:
    return {"batch": 1, "cond_channel": spec.dit.global_cond_dim}


def _latent(spec: StageSpec) -> Mapping[str, int]:
    return {"batch": 1, "latent_channel": spec.latent_channels, "frame": spec.latent_frames}


def _sound(spec: StageSpec) -> Mapping[str, int]:
    return {"batch": 1, "audio_channel": spec.audio_channels, "sample": spec.sample_size}


CROSS = Port(name="cross_attention_cond", axes=_cross)
GLOBAL = Port(name="global_cond", axes=_global)
AUDIO = Port(name="audio", axes=_sound, domain=Sounds())
LATENTS = Port(name="latents", axes=_latent, domain=Normal(low=0.5, high=3.0, what="latents"))
# 1 for the frames of a window that there are, then 0.
PRESENT = Port(name="present", axes=lambda spec: {"batch": 1, "frame": spec.latent_frames}, domain=Present())


def _conditioner(numbers: tuple[str, ...]) -> StageRow:
    """The conditioner of models that are told these numbers beside the prompt."""
    return StageRow(
        name=CONDITIONER,
        inputs=(
            Port(name="input_ids", axes=_tokens, dtype="int32", domain=TokenIds()),
            Port(name="attention_mask", axes=_tokens, dtype="int32", domain=TokenMask()),
            *(Port(name=number, axes=_batch, domain=Seconds()) for number in numbers),
        ),
        outputs=(CROSS, GLOBAL),
    )


ROWS = (
    _conditioner((SECONDS_TOTAL,)),
    StageRow(
        name=DIT,
        inputs=(
            Port(name="x", axes=_latent, held=OfStep(name="x"), domain=Normal(low=1.5, high=1.5, same=True)),
            Port(name="t", axes=_batch, held=Level(), domain=Levels()),
            CROSS,
            GLOBAL,
        ),
        outputs=(Port(name="velocity", axes=_latent, held=OfStep(name="v")),),
        per_step=True,
    ),
    StageRow(
        name=DECODER,
        inputs=(LATENTS,),
        outputs=(AUDIO,),
        whole_sound=True,
    ),
    StageRow(
        name=ENCODER,
        inputs=(AUDIO, Port(name=ENCODER_NOISE, axes=_latent, drawn=True, domain=Normal())),
        outputs=(Port(name="init_latents", axes=_latent),),
        optional=True,
        whole_sound=True,
    ),
)

def _cut(feed: Tensors) -> Tensors:
    """Zeros in the frames that are not there."""
    (sound,) = feed.keys() - {PRESENT.name}
    there = np.repeat(feed[PRESENT.name], feed[sound].shape[-1] // feed[PRESENT.name].shape[-1], axis=-1)
    return {**feed, sound: feed[sound] * there[:, None]}


# The two halves of a codec that stands alone, each over one window of whatever it codes.
CODEC_ROWS = tuple(
    StageRow(name=name, inputs=(given, PRESENT), outputs=(made,), whole_sound=True, joined=_cut)
    for name, given, made in ((SAME_ENCODER, AUDIO, Port(name="latents", axes=_latent)), (SAME_DECODER, LATENTS, AUDIO))
)

# In the order a generation runs them, of models that are told how long the sound is and no more; then those of codecs.
STAGE_TABLE: dict[str, StageRow] = {row.name: row for row in (*ROWS, *CODEC_ROWS)}
GENERATION = tuple(row.name for row in ROWS if not row.optional)  # what every generation runs
ALL_STAGES = tuple(row.name for row in ROWS)  # of a model that generates
CODEC_STAGES = tuple(row.name for row in CODEC_ROWS)


def stage_rows(spec: StageSpec) -> dict[str, StageRow]:
    """The rows of the model's stages."""
    told = {CONDITIONER: _conditioner(spec.number_names)} if isinstance(spec, ModelSpec) else {}
    rows = STAGE_TABLE | told
    return {name: rows[name] for name in spec.stages}


def signatures(spec: StageSpec) -> dict[str, Signature]:
    """The signature of every stage of the model `spec` describes, at batch 1."""
    return {name: row.signature(spec) for name, row in stage_rows(spec).items()}
