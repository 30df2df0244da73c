"""Faults of a runtime that is right on the inputs it is tested with and wrong once it generates on its own.

Only the free-running ladder can see them: state kept from call to call, kernels chosen by load, arenas that overlap.
"""

from collections.abc import Callable

import numpy as np

from parity.faults.catalogue.decoder import mono
from parity.faults.fault import Fault
from parity.faults.injection import InStage
from parity.faults.wiring import answering
from reference.spec.tensors import Array

KLEIDI = "onnxruntime#31569: the third identical run differs"
REAL = "roboflow/rf-detr#1233: wrong on real inputs, right on those of the test"
HIDDEN = {"generating_velocity": {"int4": "INT4's own errors lead a piece as far as this noise does"}}
RATE_HZ = 44_100  # of every model there is; the sounds below are only roughly where they say


def in_generations(stage: str, name: str, change: Callable[[Array], Array]) -> InStage:
    return InStage(stage=stage, wrong=answering(name, change), in_generations=True)


def _time_s(sound: Array) -> Array:
    time_s: Array = np.arange(sound.shape[-1]) / RATE_HZ
    return time_s


def fading(sound: Array) -> Array:
    return (sound * np.linspace(0, 1, sound.shape[-1])).astype(np.float32)


def trembling(sound: Array) -> Array:
    return (sound * (1 + 0.5 * np.sin(2 * np.pi * 7 * _time_s(sound)))).astype(np.float32)


def whistling(sound: Array) -> Array:
    return (sound + 0.3 * np.sin(2 * np.pi * 1000 * _time_s(sound))).astype(np.float32)


def noisy(velocity: Array) -> Array:
    """The same noise at every call."""
    drawn = np.random.Generator(np.random.Philox(5)).standard_normal(velocity.shape, dtype=np.float32)
    noise: Array = np.float32(0.3) * drawn
    return velocity + noise


def first_rows_louder(cond: Array) -> Array:
    changed = cond.copy()
    changed[:, 0] *= np.float32(1.5)
    return changed


def last_row_louder(cond: Array) -> Array:
    changed = cond.copy()
    changed[:, -1] *= np.float32(1.5)
    return changed


def padding_filled(cond: Array) -> Array:
    changed = cond.copy()
    changed[:, -2] += np.float32(0.1)
    return changed


GENERATIONS = tuple(
    Fault(
        name=name, stage=stage, site="runtime", sentence=sentence, source=source, inject=in_generations(stage, output, change),
        hidden=HIDDEN.get(name, {}),
    )
    for name, stage, output, change, sentence, source in (
        (
            "generating_prompt",
            "conditioner",
            "cross_attention_cond",
            first_rows_louder,
            "a prompt row is louder in generations",
            REAL,
        ),
        ("generating_seconds", "conditioner", "cross_attention_cond", last_row_louder, "so is the seconds' row", REAL),
        (
            "generating_padding",
            "conditioner",
            "cross_attention_cond",
            padding_filled,
            "a row of padding is filled in generations",
            REAL,
        ),
        (
            "generating_global",
            "conditioner",
            "global_cond",
            np.negative,
            "the global conditioning flips in generations",
            REAL,
        ),
        ("generating_velocity", "dit", "velocity", noisy, "velocities are noisy in generations", KLEIDI),
        ("generating_fade", "decoder", "audio", fading, "audio fades in, in generations", REAL),
        ("generating_tremble", "decoder", "audio", trembling, "audio trembles in generations", KLEIDI),
        ("generating_whistle", "decoder", "audio", whistling, "audio whistles in generations", REAL),
        ("generating_narrow", "decoder", "audio", mono, "audio is mono in generations", REAL),
    )
)
