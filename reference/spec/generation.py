"""One generation, whoever runs the stages: tokens, conditioner, sampler, decoder, and the trace of it all."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from reference.spec.errors import InputError
from reference.spec.files import new_file
from reference.spec.model import SECONDS_START, SECONDS_TOTAL
from reference.spec.noise import ENCODER_NOISE, draw_names
from reference.spec.prompt import Tokenizer
from reference.spec.sampling.guidance import Guidance
from reference.spec.sampling.objective import FLOW, State
from reference.spec.sampling.releases import V0_0_19, Release
from reference.spec.sampling.samplers import SAMPLERS, SamplerSpec, fitting
from reference.spec.sampling.schedule import LevelShift
from reference.spec.stages import CONDITIONER, DECODER, DIT, ENCODER
from reference.spec.tensors import Array, Tensors, in_float32
from reference.spec.trace import LEVELS, at_step, away, crossed, crossing

Stage = Callable[[Mapping[str, Array]], Tensors]  # named tensors in, named tensors out
Stages = Mapping[str, Stage]  # by stage name


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a listener asks for. `seconds` conditions the model; it does not cut the audio. `seconds_start`, of models that
    are told it, is where in a longer piece the sound begins.

    `init_audio`, float32 (1, audio channel, sample), makes it audio-to-audio from the sampler's `sigma_max`.
    """

    prompt: str
    seconds: float
    seconds_start: float = 0.0
    sampler: SamplerSpec = field(default_factory=SamplerSpec)
    guidance: Guidance = field(default_factory=Guidance)
    init_audio: Array | None = None

    def __post_init__(self) -> None:
        for name, value in (("seconds", self.seconds), ("seconds_start", self.seconds_start)):
            if not (in_float32(value) and value >= 0):
                raise InputError(f"{name} is {value}, expected a finite number, 0 or more, in the range of float32")
        if self.init_audio is None and not self.sampler.alone:
            raise InputError(f"sigma_max is {self.sampler.highest} without init audio; pure noise starts at 1")

    @property
    def numbers(self) -> dict[str, float]:
        """What may be told beside the prompt, by name."""
        return {SECONDS_START: self.seconds_start, SECONDS_TOTAL: self.seconds}

    @property
    def negative_numbers(self) -> dict[str, float]:
        """What may be told beside the negative prompt."""
        own = {SECONDS_START: self.guidance.negative_start, SECONDS_TOTAL: self.guidance.negative_seconds}
        return self.numbers | {name: value for name, value in own.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """Everything a generation needs, whichever runtime is behind the stages.

    `samplers` are those the model takes, the usual one first; `numbers` what it is told beside the prompt; `release` the
    state of upstream it was made for.
    """

    stages: Stages
    tokenizer: Tokenizer
    latent_shape: tuple[int, ...]
    audio_shape: tuple[int, ...]
    sample_rate_hz: int
    level_shift: LevelShift | None = None
    samplers: tuple[str, ...] = fitting(tuple(SAMPLERS), FLOW)
    numbers: tuple[str, ...] = (SECONDS_TOTAL,)
    release: Release = V0_0_19

    def told(self, numbers: Mapping[str, float]) -> dict[str, float]:
        """Those of the numbers that the model is told. Raises InputError for another that asks for something."""
        for name, value in numbers.items():
            if name not in self.numbers and value:
                raise InputError(f"{name} is {value}, but this model is told {', '.join(self.numbers)} only; leave it out")
        return {name: numbers[name] for name in self.numbers}


def conditioner_feed(tokenizer: Tokenizer, prompt: str, numbers: Mapping[str, float]) -> Tensors:
    """The conditioner's inputs for a prompt, and numbers by name."""
    input_ids, attention_mask = tokenizer(prompt)
    told = {name: np.array([value], dtype=np.float32) for name, value in numbers.items()}
    return {"input_ids": input_ids, "attention_mask": attention_mask, **told}


def dit_feed(x: State, level: float, conditioning: Tensors) -> Tensors:
    """The DiT's inputs for one step."""
    return {"x": x, "t": np.array([level], dtype=np.float32), **crossing(conditioning)}


def _silent(done: int, of: int) -> None:
    """Nobody waits."""


def generate(
    pipeline: Pipeline, request: Request, noise: Iterator[State], told: Callable[[int, int], None] = _silent
) -> Tensors:
    """Run all stages and return the trace. `told` hears how many of the sampler's steps are done.

    Keys: input_ids attention_mask seconds_total cross_attention_cond global_cond levels latents audio, and per
    step i noise_i x_i v_i denoised_i (`noise_0` is the start, `noise_i` the re-noise after step i - 1's estimate, `x_i`
    the state as the DiT takes it, at `levels[i]`); seconds_start where the model is told it; audio-to-audio also
    init_audio encoder_noise init_latents. Guidance adds negative_cross_attention_cond and, per guided step, `u_i`, what the DiT
    answers with that (`denoised_i` is the guided estimate); a negative prompt all that the conditioner is told and answers of
    it, under negative_ and the same names.
    Stage outputs keep the precision they were computed in; what is passed on is float32.
    Raises InputError for a sampler that is not the model's.
    """
    if request.sampler.name not in pipeline.samplers:
        raise InputError(f"sampler '{request.sampler.name}' is not for this model; it takes {', '.join(pipeline.samplers)}")
    sampler = replace(request.sampler, shift=pipeline.level_shift)
    trace = conditioner_feed(pipeline.tokenizer, request.prompt, pipeline.told(request.numbers))
    trace |= pipeline.stages[CONDITIONER](trace)
    trace[LEVELS] = np.array(sampler.levels(), dtype=np.float32)
    drawn = _recorded(noise, draw_names(init_audio=request.init_audio is not None), trace)
    start = sampler.start(next(drawn), _init_latents(pipeline, request, drawn, trace))
    velocity = _Velocity(pipeline, request, trace)
    trace["latents"] = start
    for step in sampler.walk(velocity, drawn, start):
        trace[at_step("x", step.index)] = step.x
        trace |= {at_step(name, step.index): array for name, array in velocity.first().items()}
        trace[at_step("denoised", step.index)] = step.denoised
        trace["latents"] = step.following
        told(step.index + 1, len(trace[LEVELS]) - 1)
    trace["audio"] = pipeline.stages[DECODER](trace)["audio"]
    return trace


def _recorded(noise: Iterator[State], names: Iterator[str], trace: Tensors) -> Iterator[State]:
    """The draws, each put into the trace as it is taken."""
    for name, array in zip(names, noise, strict=False):
        trace[name] = array
        yield array


def _init_latents(pipeline: Pipeline, request: Request, drawn: Iterator[State], trace: Tensors) -> State | None:
    """The init audio's latents as they cross into the sampler, or None."""
    if request.init_audio is None:
        return None
    trace["init_audio"] = request.init_audio
    feed = {"audio": request.init_audio, ENCODER_NOISE: next(drawn)}
    trace["init_latents"] = pipeline.stages[ENCODER](feed)["init_latents"]
    return crossed(trace["init_latents"])


class _Velocity:
    """The velocity the sampler asks for: the DiT's, guided where the request says so."""

    def __init__(self, pipeline: Pipeline, request: Request, trace: Tensors) -> None:
        self.dit, self.guidance, self.objective = pipeline.stages[DIT], request.guidance, request.sampler.objective
        self._found = list[Tensors]()
        self.conditioning = {name: trace[name] for name in ("cross_attention_cond", "global_cond")}
        if request.guidance.scale != 1:
            trace |= self._negative(pipeline, request)
            self.unconditioning = self.conditioning | {"cross_attention_cond": trace[away("cross_attention_cond")]}

    def __call__(self, x: State, level: float) -> State:
        velocity = self.dit(dit_feed(x, level, self.conditioning))["velocity"]
        answers = {"v": velocity}
        if self.guidance.active(self.objective.noise_share(level)):
            unconditional = self.dit(dit_feed(x, level, self.unconditioning))["velocity"]
            answers["u"] = unconditional
            clean = self.objective.clean(x.astype(velocity.dtype), level, velocity)
            velocity = self.guidance.combine(velocity, unconditional, clean)
        self._found.append(answers)
        return crossed(velocity)

    def first(self) -> Tensors:
        """The DiT's first answers since the last call of this: a step's own, where a rule asks several times a step."""
        found, self._found = self._found[0], []
        return found

    def _negative(self, pipeline: Pipeline, request: Request) -> Tensors:
        """What guidance leads away from, as a trace holds it: the negative prompt and its conditioning, or zeros."""
        if self.guidance.negative_prompt is None:
            return {away("cross_attention_cond"): np.zeros_like(self.conditioning["cross_attention_cond"])}
        told = pipeline.told(request.negative_numbers)
        feed = conditioner_feed(pipeline.tokenizer, self.guidance.negative_prompt, told)
        return {away(name): array for name, array in (feed | pipeline.stages[CONDITIONER](feed)).items()}


def save_trace(path: Path, trace: Tensors, force: bool = False) -> None:
    """Write a trace as `.npz`; stage outputs are rounded to float32, ids stay int32."""
    with new_file(path, force) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **crossing(trace))  # type: ignore[arg-type]
