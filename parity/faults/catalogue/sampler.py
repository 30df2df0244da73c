"""Faults of what is between the stages: schedule, update rule, noise."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import repeat

import numpy as np

from parity.faults.fault import DERIVED, Fault
from parity.faults.injection import InPipeline
from parity.faults.wiring import asked_for, handed, noise, sampled_by
from parity.faults.wrong_sampler import Move
from reference.spec.generation import Request
from reference.spec.sampling.guidance import Guidance
from reference.spec.sampling.objective import FLOW, State
from reference.spec.sampling.samplers import SamplerSpec
from reference.spec.sampling.schedule import linear_levels, logsnr_levels

UPSTREAM_SCALE = 6.0


def linear(spec: SamplerSpec) -> tuple[float, ...]:
    return linear_levels(spec.steps, spec.highest)


def scaled_from_one(spec: SamplerSpec) -> tuple[float, ...]:
    """The whole schedule times sigma_max, which starts audio-to-audio anywhere but on its own log-SNR."""
    return tuple(spec.highest * level for level in logsnr_levels(spec.steps, 1.0))


def euler_step(move: Move) -> State:
    return move.x + (move.after - move.now) * move.v


def in_half_precision(move: Move) -> State:
    following = move.clean if move.after == 0 else FLOW.mixed(move.clean, move.drawn, move.after)
    return following.astype(np.float16).astype(np.float32)


def renoised_at_the_end(move: Move) -> State:
    if move.after:
        return FLOW.mixed(move.clean, move.drawn, move.after)
    return FLOW.mixed(move.clean, move.drawn, move.now)


def unscaled_start(spec: SamplerSpec, start: State, init: State | None) -> State:
    return start if init is None else init + spec.highest * start


def one_renoise(draws: Iterator[State]) -> Iterator[State]:
    yield next(draws)
    yield from repeat(next(draws))


def reseeded(draws: Iterator[State]) -> Iterator[State]:
    yield from repeat(next(draws))


def louder(draws: Iterator[State]) -> Iterator[State]:
    for array in draws:
        yield np.float32(1.05) * array


def another_generator(draws: Iterator[State]) -> Iterator[State]:
    """A Mersenne twister's normals, as numpy's legacy generator draws them."""
    state, shape = np.random.RandomState(0), next(draws).shape
    while True:
        yield state.standard_normal(shape).astype(np.float32)


def guided(request: Request, share: float) -> Request:
    return replace(request, guidance=Guidance(scale=1 + share * (UPSTREAM_SCALE - 1)))


SAMPLER = (
    Fault(
        name="euler_for_pingpong", stage="sampler", site="sampler", sentence="Euler steps, upstream's default",
        source="stable-audio-tools inference/generation.py: sampler_type",
        inject=InPipeline(wrong=sampled_by(step=euler_step)),
    ),
    Fault(
        name="linear_schedule", stage="sampler", site="sampler", sentence="levels are uniform, not in log-SNR",
        source="ComfyUI#14131, stable-audio-3#48", inject=InPipeline(wrong=sampled_by(schedule=linear)),
    ),
    Fault(
        name="one_level_off", stage="sampler", site="sampler", sentence="the DiT is told the next step's level",
        source=DERIVED, inject=InPipeline(wrong=sampled_by(level_given=lambda now, after: after)),
    ),
    Fault(
        name="level_told_in_float16", stage="sampler", site="sampler", sentence="the DiT is told the level in float16",
        source=DERIVED,
        inject=InPipeline(wrong=sampled_by(level_given=lambda now, after: float(np.float16(now)))),
    ),
    Fault(
        name="state_in_float16", stage="sampler", site="sampler", sentence="the state is kept in float16",
        source="mobius#58", inject=InPipeline(wrong=sampled_by(step=in_half_precision)),
    ),
    Fault(
        name="renoised_at_the_end", stage="sampler", site="sampler", sentence="noise is added after the last step",
        source="stable-audio-3#48", inject=InPipeline(wrong=sampled_by(step=renoised_at_the_end)),
    ),
    Fault(
        name="from_audio_rescaled", stage="sampler", site="sampler",
        sentence="audio-to-audio takes the whole schedule times sigma_max",
        source="stable-audio-3#94, sa3.cpp#42, DEMON#320",
        inject=InPipeline(wrong=sampled_by(schedule=scaled_from_one)),
    ),
    Fault(
        name="from_audio_unscaled", stage="sampler", site="sampler",
        sentence="init latents are added whole to scaled noise", source="diffusers#10861",
        inject=InPipeline(wrong=sampled_by(begin=unscaled_start)),
    ),
    Fault(
        name="guided_by_default", stage="sampler", site="wiring", sentence="upstream's default guidance of 6 is left on",
        source="stable-audio-tools inference/generation.py: cfg_scale; comfyui-mcp#1458",
        inject=InPipeline(wrong=asked_for(guided)),
    ),
    Fault(
        name="global_not_handed_on", stage="sampler", site="wiring",
        sentence="the DiT is handed zeros for the global conditioning", source=DERIVED,
        inject=InPipeline(wrong=handed("global_cond", np.zeros_like)),
    ),
    Fault(
        name="one_renoise", stage="sampler", site="noise", sentence="every step adds the same noise",
        source="openvino.genai#256", inject=InPipeline(wrong=noise(one_renoise)),
    ),
    Fault(
        name="reseeded_each_step", stage="sampler", site="noise", sentence="the generator starts anew at every step",
        source="openvino.genai#256", inject=InPipeline(wrong=noise(reseeded)),
    ),
    Fault(
        name="noise_scaled", stage="sampler", site="noise", sentence="noise is 5 % too loud",
        source="diffusers#10861", inject=InPipeline(wrong=noise(louder)),
    ),
    Fault(
        name="another_generator", stage="sampler", site="noise", sentence="noise of another generator",
        source="coreai-models#253, Cytnx#1078, pytorch#80202", inject=InPipeline(wrong=noise(another_generator)),
    ),
)  # fmt: skip
