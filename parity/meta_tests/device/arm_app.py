"""Arm's audiogen app, written again: levels and noise in C++, the loop in numpy, around the files of a bundle."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from litert_pipeline.bundle import Bundle
from litert_pipeline.run.pipeline import open_stage
from reference.spec.tensors import Array, Tensors

RATE_HZ, SEED, STEPS = 44100, 99, 8
SCALE = 6.0
PROMPT = "warm pad and a tight drum loop"
# Levels and noise as the app computes them, in C++: a running float sum, a fresh engine and distribution per draw.
PROGRAM = """
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>
static void emit(const std::vector<float>& values) { std::fwrite(values.data(), sizeof(float), values.size(), stdout); }
static void draw(std::vector<float>& values, unsigned long seed) {
    std::mt19937 engine(seed);
    std::normal_distribution<float> normal(0.0f, 1.0f);
    for (float& value : values) value = normal(engine);
    emit(values);
}
int main(int, char** words) {
    const unsigned long seed = std::strtoul(words[1], nullptr, 10);
    const int steps = std::atoi(words[3]);
    std::vector<float> levels(steps + 1), noise(std::atol(words[2]));
    const float stride = 8.0f / steps;
    float logsnr = -6.0f;
    for (float& level : levels) { level = 1.0f / (1.0f + std::exp(logsnr)); logsnr += stride; }
    levels.front() = 1.0f;
    levels.back() = 0.0f;
    emit(levels);
    draw(noise, seed);
    for (int step = 0; step < steps; ++step) draw(noise, seed + step + 4564);
}
"""


def compiled(folder: Path) -> Path:
    """The program, built there."""
    (folder / "app.cpp").write_text(PROGRAM)
    subprocess.run(["g++", "-O1", "-ffp-contract=off", str(folder / "app.cpp"), "-o", str(folder / "app")], check=True)
    return folder / "app"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a device does with a request. `scale` is of guidance."""

    prompt: str = PROMPT
    seed: int = SEED
    euler: bool = False
    steps: int = STEPS
    narrow: bool = False
    scale: float = 1.0


def run_app(program: Path, bundle: Bundle, asked: Asked) -> Array:
    """What it makes, (channel, sample); nothing of the project's sampler or noise takes part."""
    latents = bundle.manifest.stages["decoder"].signature.inputs[0]
    steps = asked.steps
    words = [str(asked.seed), str(int(np.prod(latents.shape))), str(steps)]
    values = np.frombuffer(subprocess.run([str(program), *words], check=True, capture_output=True).stdout, "<f4")
    levels, noise = values[: steps + 1], values[steps + 1 :].reshape(steps + 1, *latents.shape)
    with open_stage(bundle, "conditioner") as conditioner:
        told = tokens(bundle, asked.prompt)
        conditioning = conditioner(told | (_narrowed(told) if asked.narrow else {}))
    x = noise[0].copy()
    nothing = {**conditioning, "cross_attention_cond": np.zeros_like(conditioning["cross_attention_cond"])}
    with open_stage(bundle, "dit") as dit:
        for step in range(steps):
            fed = {"x": x, "t": levels[step : step + 1].copy()}
            velocity = dit({**fed, **conditioning})["velocity"]
            if asked.scale != 1:
                away = dit({**fed, **nothing})["velocity"]
                velocity = away + np.float32(asked.scale) * (velocity - away)
            if asked.euler:
                x = x + (levels[step + 1] - levels[step]) * velocity
            else:
                x = (1 - levels[step + 1]) * (x - levels[step] * velocity) + levels[step + 1] * noise[step + 1]
    with open_stage(bundle, "decoder") as decoder:
        audio: Array = decoder({"latents": x})["audio"][0]
    return audio


def _narrowed(told: Tensors) -> Tensors:
    """Eight bytes an id, written into a buffer of four an id and beyond: what the conditioner finds there."""
    wide = {name: told[name].astype(np.int64).tobytes() for name in ("input_ids", "attention_mask")}
    return {name: np.frombuffer(data[: len(data) // 2], np.int32)[None].copy() for name, data in wide.items()}


def tokens(bundle: Bundle, prompt: str) -> Tensors:
    """SentencePiece's ids, one behind them, zeros after that: the app's own tokenization."""
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor()
    pieces.Load(str(bundle.tokenizer_path))
    length = bundle.manifest.stages["conditioner"].signature.inputs[0].shape[-1]
    ids = [*pieces.EncodeAsIds(prompt), 1]
    row = np.zeros((1, length), np.int32)
    row[0, : len(ids)] = ids
    mask = (np.arange(length) < len(ids)).astype(np.int32)[None]
    return {"input_ids": row, "attention_mask": mask, "seconds_total": np.array([10], np.float32)}
