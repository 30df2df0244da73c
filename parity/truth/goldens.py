"""Goldens: the truth's numbers of a few cases, recorded, so that a new torch that moves them is noticed.

Each stage is computed again from the recorded inputs, so that one float32 state rounding the other way somewhere does
not move everything after it.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from litert_pipeline.versions import installed_versions
from parity.measure import metrics
from parity.measure.cases import Case, load_cases
from parity.measure.teacher_forcing import teacher_forced
from reference.pipeline import Model, load_model
from reference.spec.errors import InputError
from reference.spec.files import new_folder, sha256_of
from reference.spec.generation import Pipeline, conditioner_feed, generate
from reference.spec.noise import ENCODER_NOISE, STREAMS, philox
from reference.spec.section import read_json
from reference.spec.stages import CONDITIONER, DECODER, DIT, ENCODER, STAGE_TABLE
from reference.spec.tensors import Array, Tensors
from reference.spec.torch_noise import torch_cpu
from reference.spec.trace import at_step, crossing, steps

INDEX_NAME, ARRAYS_NAME = "index.json", "goldens.npz"
CASES = ("drums", "one_too_many")
AUDIO_STRIDE = 61  # every so many samples of the audio are kept; coprime to every stride of the decoder
NOISE_VALUES, NOISE_SEED = 64, 99
SMALL = ("input_ids", "attention_mask", "cross_attention_cond", "global_cond", "levels", "latents", "init_latents")


def record(model_dir: Path, out: Path, force: bool = False) -> int:
    """Write goldens of a model to the folder `out`, whole or not at all; returns how many arrays.

    Raises InputError for a bad model dir or an existing `out` without `force`.
    """
    with new_folder(out, "set of goldens", force, [model_dir]) as folder:
        model = load_model(model_dir)
        arrays = _arrays(model)
        np.savez(folder / ARRAYS_NAME, **arrays)  # type: ignore[arg-type]
        index = {
            "command": f"python -m parity goldens --model {model_dir} --out {out} --force",
            "weights_sha256": model.files.weights_sha256(),
            "arrays_sha256": sha256_of(folder / ARRAYS_NAME),
            "versions": installed_versions(),
        }
        (folder / INDEX_NAME).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    return len(arrays)


def read(folder: Path, model: Model) -> Tensors:
    """The recorded arrays. Raises InputError if they are damaged, or another model's."""
    index = read_json(folder / INDEX_NAME)
    if index.take("arrays_sha256", str) != sha256_of(folder / ARRAYS_NAME):
        raise InputError(f"{folder / ARRAYS_NAME}: SHA-256 differs from {INDEX_NAME}; record the goldens again")
    if index.take("weights_sha256", str) != model.files.weights_sha256():
        raise InputError(f"{folder}: goldens of other weights; record them again")
    with np.load(folder / ARRAYS_NAME, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def differences(recorded: Tensors, model: Model) -> dict[str, float]:
    """Relative L2 of every array computed again from the recorded inputs; 0 for ids and noise that are equal."""
    exact = model.to(torch.float64).pipeline()
    found: dict[str, float] = {}
    for case in _cases(model):
        prefix = f"{case.id}."
        truth = {name.removeprefix(prefix): array for name, array in recorded.items() if name.startswith(prefix)}
        again = _recomputed(exact, case, truth)
        found |= {f"{prefix}{name}": _apart(truth[name], array) for name, array in again.items()}
    return found | {name: _apart(recorded[name], array) for name, array in _noise().items()}


def _apart(recorded: Array, again: Array) -> float:
    if recorded.shape != again.shape or recorded.dtype != again.dtype:
        return float("inf")
    if np.array_equal(recorded, again):
        return 0.0
    return metrics.relative_l2(recorded, again) if recorded.dtype == np.float64 else float("inf")


def _arrays(model: Model) -> Tensors:
    exact, found = model.to(torch.float64).pipeline(), _noise()
    for case in _cases(model):
        trace = generate(exact, case.request, philox(exact.latent_shape, case.seed))
        stepwise = [at_step(name, step) for step in range(steps(trace)) for name in ("x", "v")]
        trace |= _encoded(exact, trace["audio"], case)
        kept = {name: trace[name] for name in (*SMALL, *stepwise)} | {"audio": _thinned(trace["audio"])}
        found |= {f"{case.id}.{name}": array for name, array in kept.items()}
    return found


def _recomputed(exact: Pipeline, case: Case, truth: Tensors) -> Tensors:
    """Every float64 array of a case from its recorded inputs, and the exact ones anew."""
    input_ids, attention_mask = exact.tokenizer(case.request.prompt)
    again: dict[str, Any] = {"input_ids": input_ids, "attention_mask": attention_mask}
    again["levels"] = np.array(case.request.sampler.levels(), np.float32)
    told = exact.told(case.request.numbers)
    again |= exact.stages[CONDITIONER](conditioner_feed(exact.tokenizer, case.request.prompt, told))
    velocities = teacher_forced(DIT, exact.stages[DIT], truth)
    again |= {at_step("v", step): output["velocity"] for step, output in enumerate(velocities)}
    audio = exact.stages[DECODER](STAGE_TABLE[DECODER].feed(truth))["audio"]
    return again | {"audio": _thinned(audio)} | _encoded(exact, audio, case)


def _encoded(exact: Pipeline, audio: Array, case: Case) -> Tensors:
    noise = next(philox(exact.latent_shape, case.seed + 1))
    return exact.stages[ENCODER](crossing({"audio": audio, ENCODER_NOISE: noise}))


def _thinned(audio: Array) -> Array:
    return audio[..., ::AUDIO_STRIDE]


def _noise() -> Tensors:
    """The first values of every stream but torch's own, which follow the CPU's vector width."""
    streams = {name: stream for name, stream in STREAMS.items() if stream is not torch_cpu}
    return {f"noise.{name}": next(stream((NOISE_VALUES,), NOISE_SEED)) for name, stream in streams.items()}


def _cases(model: Model) -> list[Case]:
    return load_cases(model.tokenizer, model.spec, list(CASES))
