"""The stage table: which tensors a stage takes and gives, how often a generation calls it, where a trace holds their
values. Whatever depends on the stage asks its row; the names of stages are written here only, and in the faults."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reference.spec.domain import Domain, Levels, Normal, Place, Present, Seconds, Sounds, TokenIds, TokenMask
from reference.spec.model import SECONDS_START, SECONDS_TOTAL, ModelSpec, StageSpec
from reference.spec.noise import ENCODER_NOISE
from reference.spec.ports import Axes, Call, Level, Port, of_step, told
from reference.spec.tensors import Array, Signature, Tensors
from reference.spec.trace import crossed, steps

CONDITIONER, DIT, DECODER, ENCODER = "conditioner", "dit", "decoder", "encoder"
SAME_ENCODER, SAME_DECODER = "same_encoder", "same_decoder"


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
        inputs = tuple(port.tensor(spec) for port in self.inputs if port.belongs(spec.number_names))
        return Signature(inputs=inputs, outputs=tuple(port.tensor(spec) for port in self.outputs))

    def places(self, trace: Mapping[str, Array]) -> list[Call]:
        """Every call of the generation that left `trace`, in order; one of a sampler's several evaluations a step counts.

        A stage is called twice where guidance leads away from something: for that the trace has its inputs and outputs, too.
        """
        at = range(steps(trace)) if self.per_step else (None,)
        every = (Call(step=step, away=led_away) for step in at for led_away in (False, True))
        return [call for call in every if not call.away or self._led_away(trace, call)]

    def _led_away(self, trace: Mapping[str, Array], call: Call) -> bool:
        plain = Call(step=call.step)
        ports = [port for port in (*self.inputs, *self.outputs) if port.belongs(trace)]
        keys = [port.key_at(call) for port in ports if port.key_at(call) != port.key_at(plain)]
        return bool(keys) and all(key in trace for key in keys)

    def calls(self, trace: Mapping[str, Array]) -> int:
        """How many these are."""
        return len(self.places(trace))

    def call_in(self, trace: Mapping[str, Array], step: int) -> int:
        """Its first call in a sampler step; of a stage that is not the sampler's its first one."""
        return next((call for call, place in enumerate(self.places(trace)) if place.step == step), 0)

    def calls_in(self, sampler_steps: int) -> int:
        """The same for an unguided generation of so many sampler steps."""
        return sampler_steps if self.per_step else 1

    def feed(self, trace: Mapping[str, Array], call: int = 0) -> Tensors:
        """Its inputs at that call, float32 and int32 as they cross between stages."""
        at = self.places(trace)[call]
        return {port.name: crossed(port.value(trace, at)) for port in self.inputs if port.belongs(trace)}

    def drawn(self, place: Place, trace: Mapping[str, Array]) -> Tensors:
        """Inputs drawn from their domains; those that have none are the trace's, at its first call."""
        fed = self.feed(trace)
        drawn = [port for port in self.inputs if port.domain is not None and port.name in fed]
        return self.joined(fed | {port.name: port.domain.value(place, port.tensor(place.spec)) for port in drawn if port.domain})

    def kept(self, feeds: list[Tensors], answers: list[Tensors]) -> Tensors:
        """The trace that holds what the stage was fed and what it answered, call by call, as if in a generation without
        guidance: `feed` and `truth` backwards."""
        trace: Tensors = {}
        for index, (fed, answer) in enumerate(zip(feeds, answers, strict=True)):
            at, held = Call(step=index if self.per_step else None), {**fed, **answer}
            for port in (*self.inputs, *self.outputs):
                if port.belongs(held):
                    port.keep(trace, at, held[port.name])
        return trace

    def value(self, trace: Mapping[str, Array], name: str, call: int = 0) -> Array:
        """One of its inputs at that call, as stored."""
        port = next(port for port in self.inputs if port.name == name)
        return port.value(trace, self.places(trace)[call])

    def truth(self, trace: Mapping[str, Array], call: int = 0) -> Tensors:
        """Its outputs at that call, by output name, in the precision the trace holds."""
        at = self.places(trace)[call]
        return {port.name: port.value(trace, at) for port in self.outputs}


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


CROSS = Port(name="cross_attention_cond", axes=_cross, key=told("cross_attention_cond"))
GLOBAL = Port(name="global_cond", axes=_global)  # of the DiT, which is told the prompt's own in every call
AUDIO = Port(name="audio", axes=_sound, domain=Sounds())
LATENTS = Port(name="latents", axes=_latent, domain=Normal(low=0.5, high=3.0, what="latents"))
# 1 for the frames of a window that there are, then 0.
PRESENT = Port(name="present", axes=lambda spec: {"batch": 1, "frame": spec.latent_frames}, domain=Present())


def _told(name: str, axes: Axes, domain: Domain, dtype: str = "float32", optional: bool = False) -> Port:
    """An input of the conditioner, told of the prompt and of the negative prompt."""
    return Port(name=name, axes=axes, dtype=dtype, key=told(name), domain=domain, optional=optional)


def _conditioner(numbers: Sequence[str], optional: Sequence[str] = ()) -> StageRow:
    """The conditioner of models that are told these numbers beside the prompt."""
    return StageRow(
        name=CONDITIONER,
        inputs=(
            _told("input_ids", _tokens, TokenIds(), "int32"),
            _told("attention_mask", _tokens, TokenMask(), "int32"),
            *(_told(number, _batch, Seconds(), optional=number in optional) for number in numbers),
        ),
        outputs=(CROSS, replace(GLOBAL, key=told(GLOBAL.name))),
    )


ROWS = (
    _conditioner((SECONDS_START, SECONDS_TOTAL), optional=(SECONDS_START,)),
    StageRow(
        name=DIT,
        inputs=(
            Port(name="x", axes=_latent, key=of_step("x"), domain=Normal(low=1.5, high=1.5, same=True)),
            Port(name="t", axes=_batch, held=Level(), domain=Levels()),
            CROSS,
            GLOBAL,
        ),
        outputs=(Port(name="velocity", axes=_latent, key=of_step("v", other="u")),),
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

# In the order a generation runs them, then those of codecs. Which numbers a conditioner is told, and in which order, is the
# model's: `stage_rows`.
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
