"""A model family is a row: a toy one is added through the seams that a real one would use, and generates."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from fixtures import TINY_MODEL_DIR
from reference.modules import CODECS, StageModule, build_modules
from reference.pipeline import Model, load_model
from reference.spec.config import CONFIG_NAME, read_model_spec
from reference.spec.errors import InputError
from reference.spec.families.family import Family, T5Folder
from reference.spec.families.table import FAMILIES, family_of
from reference.spec.generation import Request, generate
from reference.spec.model import ModelSpec
from reference.spec.noise import philox
from reference.spec.sampling.objective import OBJECTIVES
from reference.spec.sampling.samplers import SAMPLERS, SamplerSpec
from reference.spec.section import Section
from reference.spec.stages import ALL_STAGES, DECODER, GENERATION, STAGE_TABLE, signatures

SAMPLES_PER_FRAME = 4


@pytest.fixture(scope="module")
def tiny() -> Model:
    return load_model(TINY_MODEL_DIR)


class Repeated(nn.Module):
    """The toy codec: the first channel, each frame held for some samples."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels, 1))

    def forward(self, latents: Tensor) -> dict[str, Tensor]:
        return {"audio": self.gain * latents[:, :1].repeat_interleave(SAMPLES_PER_FRAME, dim=-1)}


def toy_family(parts: ModelSpec) -> Family:
    """One with the tiny model's conditioner and DiT, the toy codec, no encoder, and its own config format."""

    def read(top: Section, t5_folder: T5Folder) -> ModelSpec:
        frames = top.positive("frames")
        top.ignore("trained_as")
        top.done()
        ratio = replace(parts.decoder, strides=(SAMPLES_PER_FRAME,), c_mults=(1,))
        return replace(parts, family="toy", stages=GENERATION, sample_size=frames * SAMPLES_PER_FRAME, decoder=ratio)

    return Family(
        name="toy", model_type="toy", read=read, objectives=("rectified_flow",), objective_at=("trained_as",),
        stages=GENERATION, samplers=("euler",), numbers=("seconds_total",), codec="repeated",
    )  # fmt: skip


@pytest.fixture
def toy(tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    """A model of the toy family: its reader, its codec's module, and a row in the table of each."""
    codec = {DECODER: StageModule(build=lambda spec: Repeated(spec.audio_channels), prefix="codec.")}
    monkeypatch.setitem(FAMILIES, "toy", toy_family(tiny.spec))
    monkeypatch.setitem(CODECS, "repeated", codec)
    model = shutil.copytree(TINY_MODEL_DIR, tmp_path / "toy")
    config = {"model_type": "toy", "trained_as": "rectified_flow", "frames": tiny.spec.latent_frames}
    (model / CONFIG_NAME).write_text(json.dumps(config), encoding="utf-8")
    state = load_file(model / "model.safetensors")
    kept = {name: tensor for name, tensor in state.items() if not name.startswith("pretransform.")}
    save_file(kept | {"codec.gain": torch.ones(tiny.spec.audio_channels, 1)}, model / "model.safetensors")
    return load_model(model)


def test_a_toy_family_is_recognised_and_generates(toy: Model) -> None:
    assert family_of(toy.spec).name == "toy"
    assert tuple(toy.to(torch.float64).modules) == GENERATION
    assert list(signatures(toy.spec)) == list(GENERATION) == list(build_modules(toy.spec))
    request = Request(prompt="drums", seconds=1.0, sampler=SamplerSpec(name="euler"))
    trace = generate(toy.pipeline(), request, philox(toy.spec.latent_shape, 0))
    for name in GENERATION:
        bound = signatures(toy.spec)[name].bind(STAGE_TABLE[name].feed(trace))
        assert list(bound) == [port.name for port in STAGE_TABLE[name].inputs if port.belongs(trace)]
    assert trace["audio"].shape == toy.spec.audio_shape
    assert np.array_equal(trace["audio"][0, 0, ::SAMPLES_PER_FRAME], trace["latents"][0, 0])


def test_a_sampler_of_another_family_is_refused(toy: Model) -> None:
    request = Request(prompt="drums", seconds=1.0, sampler=SamplerSpec(name="pingpong"))
    with pytest.raises(InputError, match="'pingpong' is not for this model; it takes euler"):
        generate(toy.pipeline(), request, philox(toy.spec.latent_shape, 0))


@pytest.mark.parametrize(("change", "words"), [
    ({"model_type": "lm"}, "'model_type' is 'lm', which is not supported; supported: diffusion_cond, toy"),
    ({"trained_as": "v"}, "'trained_as' is 'v', which is not supported; supported: rectified_flow"),
    ({"frames": 0}, "'frames' must be at least 1"),
    ({"frames": 2**31}, "'frames' must be at least 1 and at most 2147483647, found int 2147483648"),
    ({"depth": 3}, "unknown or unsupported key 'depth'"),
])  # fmt: skip
def test_a_config_of_no_family_is_refused(toy: Model, change: dict[str, object], words: str) -> None:
    file = toy.files.config
    config = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(config | change), encoding="utf-8")
    with pytest.raises(InputError, match=words):
        read_model_spec(file, toy.files.t5_folder)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
def test_what_a_family_names_is_there(family: Family) -> None:
    assert set(family.stages) <= set(ALL_STAGES)
    assert set(family.objectives) <= set(OBJECTIVES)
    assert family.codec in CODECS
    objectives = [OBJECTIVES[name] for name in family.objectives]
    assert all(SAMPLERS[name].objective in objectives for name in family.samplers)


def test_the_tiny_model_is_of_the_only_family(tiny: Model) -> None:
    assert [family_of(tiny.spec).name] == list(FAMILIES)
    assert tiny.spec.stages == family_of(tiny.spec).stages == tuple(build_modules(tiny.spec))
