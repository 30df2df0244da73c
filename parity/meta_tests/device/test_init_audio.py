"""A device's WAV of a run that started from a sound: judged with the encoder's draw where that is known, around it where not."""

import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from fixtures import TINY_MODEL_DIR
from parity.meta_tests.device.arm_app import PROMPT, RATE_HZ, SEED
from parity.meta_tests.device.test_device import NOISE, verify
from reference.pipeline import load_model
from reference.spec.audio import write_wav
from reference.spec.generation import Pipeline, Request, generate
from reference.spec.noise import open_noise, philox
from reference.spec.sampling.objective import State
from reference.spec.sampling.samplers import SamplerSpec
from reference.spec.tensors import Array

LEVEL, STEPS = 0.6, 8
LAST = "pretransform.model.encoder.layers.7.bias"  # of means, then of scales
QUIET = -8.0  # softplus of it is 3e-4
UNSEEN = 6  # seed of what the encoder draws


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with an encoder that hardly draws, as trained ones do."""
    model = Path(shutil.copytree(TINY_MODEL_DIR, tmp_path_factory.mktemp("quiet") / "model"))
    state = load_file(model / "model.safetensors")
    state[LAST][state[LAST].numel() // 2 :] = QUIET
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, model / "model.safetensors")
    return model


@pytest.fixture
def start(tmp_path: Path) -> tuple[str, ...]:
    """The options that tell of init audio."""
    write_wav(tmp_path / "init.wav", sound(), RATE_HZ)
    return "-i", str(tmp_path / "init.wav"), "-x", str(LEVEL), "--precision", "fp32"


def sound() -> Array:
    samples = load_model(TINY_MODEL_DIR).spec.sample_size
    return 0.3 * np.random.Generator(np.random.Philox(5)).standard_normal((2, samples), np.float32)


def draws(pipeline: Pipeline) -> Iterator[State]:
    """As in the app: the seed's own for start and steps, and in between what only its encoder's file knows."""
    steps = open_noise(NOISE, pipeline.latent_shape, SEED)
    yield next(steps)
    yield next(philox(pipeline.latent_shape, UNSEEN))
    yield from steps


def made(model: Path, *, started: bool) -> Array:
    """What a device makes of the request."""
    pipeline = load_model(model).pipeline()
    if not started:
        request, noise = Request(prompt=PROMPT, seconds=10.0), open_noise(NOISE, pipeline.latent_shape, SEED)
    else:
        sampler = SamplerSpec(name="pingpong", steps=STEPS, sigma_max=LEVEL)
        request = Request(prompt=PROMPT, seconds=10.0, sampler=sampler, init_audio=sound()[None])
        noise = draws(pipeline)
    return generate(pipeline, request, noise)["audio"][0]


def test_it_is_accepted_whatever_the_encoder_drew(quiet: Path, tmp_path: Path, start: tuple[str, ...]) -> None:
    write_wav(tmp_path / "out.wav", made(quiet, started=True), RATE_HZ)
    code, output = verify(tmp_path / "out.wav", *start, model=quiet)
    assert code == 0, output


def test_init_audio_that_was_left_out_is_named(quiet: Path, tmp_path: Path, start: tuple[str, ...]) -> None:
    write_wav(tmp_path / "out.wav", made(quiet, started=False), RATE_HZ)
    code, output = verify(tmp_path / "out.wav", *start, model=quiet)
    assert code == 1
    assert "it does not start from the init audio, but from noise alone; look at the request" in output


def test_an_encoder_that_draws_much_leaves_nothing_to_tell(tmp_path: Path, start: tuple[str, ...]) -> None:
    write_wav(tmp_path / "out.wav", made(TINY_MODEL_DIR, started=True), RATE_HZ)
    code, output = verify(tmp_path / "out.wav", *start)
    assert code == 2
    assert "what the app's encoder draws nobody sees" in output


def test_what_it_drew_tells_all(tmp_path: Path, start: tuple[str, ...]) -> None:
    first, drawn, *others = islice(draws(load_model(TINY_MODEL_DIR).pipeline()), STEPS + 2)
    known = {"noise_0": first, "encoder_noise": drawn} | {f"noise_{at}": array for at, array in enumerate(others, start=1)}
    np.savez(tmp_path / "noise.npz", **known)
    write_wav(tmp_path / "out.wav", made(TINY_MODEL_DIR, started=True), RATE_HZ)
    code, output = verify(tmp_path / "out.wav", *start, "--noise", str(tmp_path / "noise.npz"))
    assert code == 0, output


@pytest.mark.parametrize(("level", "words"), [
    ("0", "init_noise_level is 0, which leaves the transformer nothing to do"),
    ("7", "init_noise_level is 7"),
])  # fmt: skip
def test_a_level_that_no_sound_starts_at_is_told(tmp_path: Path, start: tuple[str, ...], level: str, words: str) -> None:
    write_wav(tmp_path / "made.wav", sound(), RATE_HZ)
    code, output = verify(tmp_path / "made.wav", *start, "-x", level)
    assert code == 2
    assert words in output


def test_a_level_without_init_audio_is_told(tmp_path: Path) -> None:
    code, output = verify(tmp_path / "out.wav", "-x", "0.5")
    assert code == 2
    assert "init_noise_level has no effect without init audio" in output
