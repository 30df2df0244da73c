"""Stable Audio Open Small at its true size: names, shapes and counts of the official checkpoint (no weights needed)."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from fixtures.configs import SMALL, SMALL_T5
from fixtures.oracle import upstream
from reference.modules import build_modules, checkpoint_parts
from reference.spec.config import CONFIG_NAME, read_model_spec
from reference.spec.model import ModelSpec
from reference.spec.stages import signatures

COUNTS = {  # prefix: tensors, values
    "model.model.": (382, 340_879_488),
    "pretransform.model.encoder.": (183, 77_989_888),
    "pretransform.model.decoder.": (182, 78_122_626),
    "conditioner.conditioners.": (3, 128 + 257 * 768 + 768),
}
BUFFERS = 3 * 16 * 1024 + 32  # of the DiT: zero shifts of three norms a layer, and RoPE's frequencies
SOME_SHAPES = {
    "model.model.timestep_features.weight": (128, 1),
    "model.model.to_timestep_embed.0.weight": (1024, 256),
    "model.model.to_cond_embed.0.weight": (1024, 768),
    "model.model.preprocess_conv.weight": (64, 64, 1),
    "model.model.transformer.rotary_pos_emb.inv_freq": (32,),
    "model.model.transformer.layers.15.pre_norm.beta": (1024,),
    "model.model.transformer.layers.0.self_attn.to_qkv.weight": (3072, 1024),
    "model.model.transformer.layers.0.self_attn.q_norm.bias": (128,),
    "model.model.transformer.layers.0.cross_attn.to_kv.weight": (2048, 1024),
    "model.model.transformer.layers.0.ff.ff.0.proj.weight": (8192, 1024),
    "model.model.transformer.layers.0.ff.ff.2.weight": (1024, 4096),
    "pretransform.model.decoder.layers.1.layers.1.weight_g": (2048, 1, 1),
    "pretransform.model.decoder.layers.7.weight_v": (2, 128, 7),
    "conditioner.conditioners.seconds_total.embedder.embedding.0.weights": (128,),
    "conditioner.conditioners.seconds_total.embedder.embedding.1.weight": (768, 257),
}


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    folder = tmp_path_factory.mktemp("small")
    (folder / "t5-base").mkdir()
    (folder / CONFIG_NAME).write_text(json.dumps(SMALL))
    (folder / "t5-base" / "config.json").write_text(json.dumps(SMALL_T5))
    return read_model_spec(folder / CONFIG_NAME, lambda name: Path(folder / name))


@pytest.fixture(scope="module")
def shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Of every tensor of the checkpoint, by its official name."""
    with torch.device("meta"):
        parts = checkpoint_parts(spec, build_modules(spec))
    return {
        f"{prefix}{name}": tuple(value.shape)
        for prefix, module in parts.items()
        for name, value in module.state_dict().items()
    }


def values(shape: tuple[int, ...]) -> int:
    return torch.Size(shape).numel()


@pytest.mark.parametrize("prefix", COUNTS)
def test_counts(shapes: dict[str, tuple[int, ...]], prefix: str) -> None:
    tensors, total = COUNTS[prefix]
    found = [shape for name, shape in shapes.items() if name.startswith(prefix)]
    buffers = BUFFERS if prefix == "model.model." else 0
    assert (len(found), sum(map(values, found)) - buffers) == (tensors, total)


def test_the_checkpoint_has_750_tensors(shapes: dict[str, tuple[int, ...]]) -> None:
    assert len(shapes) == 750
    assert {name: shapes[name] for name in SOME_SHAPES} == SOME_SHAPES


def test_names_and_shapes_are_upstream_s(shapes: dict[str, tuple[int, ...]]) -> None:
    model: dict[str, Any] = SMALL["model"]
    with torch.device("meta"), upstream.silence():
        factory, diffusion = upstream.module("models.factory"), upstream.module("models.diffusion")
        conditioners = upstream.module("models.conditioners")
        theirs: dict[str, nn.Module] = {
            "model.": diffusion.DiTWrapper(diffusion_objective="rf_denoiser", **model["diffusion"]["config"]),
            "pretransform.": factory.create_pretransform_from_config(
                {**model["pretransform"], "model_half": False}, 44100
            ),
            "conditioner.conditioners.seconds_total.": conditioners.NumberConditioner(768, 0, 256),
        }
    found = {
        f"{prefix}{name}": tuple(v.shape) for prefix, part in theirs.items() for name, v in part.state_dict().items()
    }
    assert found == shapes


def test_tensors_between_stages(spec: ModelSpec) -> None:
    found = {
        t.name: t.shape for signature in signatures(spec).values() for t in (*signature.inputs, *signature.outputs)
    }
    assert found == {
        "input_ids": (1, 64), "attention_mask": (1, 64), "seconds_total": (1,),
        "cross_attention_cond": (1, 65, 768), "global_cond": (1, 768),
        "x": (1, 64, 256), "t": (1,), "velocity": (1, 64, 256),
        "latents": (1, 64, 256), "audio": (1, 2, 524_288), "encoder_noise": (1, 64, 256), "init_latents": (1, 64, 256),
    }  # fmt: skip
    assert spec.dit.positions(spec.latent_frames) == 257


def test_windows_of_a_full_decode() -> None:
    """As the facts have it: windows at 0, 96 and 128; the last is pasted from 144, the middle one from 112."""
    from reference.spec.model import ChunkSpec

    assert ChunkSpec().windows(256) == [(0, 0, 112), (96, 112, 144), (128, 144, 256)]
    assert ChunkSpec().windows(128) == [(0, 0, 128)]
    assert ChunkSpec().windows(40) == [(0, 0, 40)]
