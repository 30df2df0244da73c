"""Stable Audio Open, Small and 1.0, at true size: names, shapes and counts of the official checkpoints (no weights needed)."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from fixtures.configs import OPEN1, SMALL, SMALL_T5, Json
from fixtures.oracle import upstream
from reference.modules import build_modules, checkpoint_parts
from reference.spec.config import CONFIG_NAME, read_model_spec
from reference.spec.model import ModelSpec
from reference.spec.stages import signatures

CODEC = {  # prefix: tensors, values
    "pretransform.model.encoder.": (183, 77_989_888),
    "pretransform.model.decoder.": (182, 78_122_626),
}
NUMBER = 128 + 257 * 768 + 768


@dataclass(frozen=True, kw_only=True)
class Size:
    """A model of the official checkpoint's size: tensors and values by prefix, buffers of the DiT (zero shifts of three
    norms a layer, and RoPE's frequencies) not counted, some shapes, and the tensors between stages."""

    config: Json
    t5: Json
    counts: dict[str, tuple[int, int]]
    buffers: int
    tensors: int
    shapes: dict[str, tuple[int, ...]]
    between: dict[str, tuple[int, ...]]
    positions: int


SIZES = {
    "small": Size(
        config=SMALL,
        t5=SMALL_T5,
        counts={**CODEC, "model.model.": (382, 340_879_488), "conditioner.conditioners.": (3, NUMBER)},
        buffers=3 * 16 * 1024 + 32,
        tensors=750,
        shapes={
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
        },
        between={
            "input_ids": (1, 64), "attention_mask": (1, 64), "seconds_total": (1,),
            "cross_attention_cond": (1, 65, 768), "global_cond": (1, 768),
            "x": (1, 64, 256), "t": (1,), "velocity": (1, 64, 256), "latents": (1, 64, 256), "audio": (1, 2, 524_288),
            "encoder_noise": (1, 64, 256), "init_latents": (1, 64, 256),
        },
        positions=257,
    ),
    "open1": Size(
        config=OPEN1,
        t5=SMALL_T5,
        counts={**CODEC, "model.model.": (374, 1_056_828_544), "conditioner.conditioners.": (6, 2 * NUMBER)},
        buffers=3 * 24 * 1536 + 16,
        tensors=745,
        shapes={
            "model.model.to_cond_embed.0.weight": (768, 768),
            "model.model.to_cond_embed.2.weight": (768, 768),
            "model.model.to_global_embed.0.weight": (1536, 1536),
            "model.model.transformer.rotary_pos_emb.inv_freq": (16,),
            "model.model.transformer.layers.23.self_attn.to_qkv.weight": (4608, 1536),
            "model.model.transformer.layers.23.cross_attn.to_q.weight": (1536, 1536),
            "model.model.transformer.layers.23.cross_attn.to_kv.weight": (1536, 768),
            "model.model.transformer.layers.23.ff.ff.0.proj.weight": (12288, 1536),
            "pretransform.model.decoder.layers.7.weight_v": (2, 128, 7),
            "conditioner.conditioners.seconds_start.embedder.embedding.0.weights": (128,),
            "conditioner.conditioners.seconds_start.embedder.embedding.1.weight": (768, 257),
            "conditioner.conditioners.seconds_total.embedder.embedding.1.bias": (768,),
        },
        between={
            "input_ids": (1, 128), "attention_mask": (1, 128), "seconds_start": (1,), "seconds_total": (1,),
            "cross_attention_cond": (1, 130, 768), "global_cond": (1, 1536),
            "x": (1, 64, 1024), "t": (1,), "velocity": (1, 64, 1024), "latents": (1, 64, 1024),
            "audio": (1, 2, 2_097_152), "encoder_noise": (1, 64, 1024), "init_latents": (1, 64, 1024),
        },
        positions=1025,
    ),
}  # fmt: skip
BYTES_OF_OPEN1 = 4_853_792_840  # in float32: T5 is not in it


@pytest.fixture(scope="module", params=SIZES)
def size(request: pytest.FixtureRequest) -> Size:
    return SIZES[request.param]


@pytest.fixture(scope="module")
def spec(size: Size, tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    folder = tmp_path_factory.mktemp("full_size")
    (folder / "t5-base").mkdir()
    (folder / CONFIG_NAME).write_text(json.dumps(size.config))
    (folder / "t5-base" / "config.json").write_text(json.dumps(size.t5))
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


def test_counts(size: Size, shapes: dict[str, tuple[int, ...]]) -> None:
    for prefix, expected in size.counts.items():
        found = [shape for name, shape in shapes.items() if name.startswith(prefix)]
        buffers = size.buffers if prefix == "model.model." else 0
        assert (len(found), sum(map(values, found)) - buffers) == expected, prefix


def test_the_checkpoint_s_tensors(size: Size, shapes: dict[str, tuple[int, ...]]) -> None:
    assert len(shapes) == size.tensors
    assert {name: shapes[name] for name in size.shapes} == size.shapes
    if size.config is OPEN1:
        assert 4 * sum(map(values, shapes.values())) == BYTES_OF_OPEN1


def test_names_and_shapes_are_upstream_s(size: Size, shapes: dict[str, tuple[int, ...]]) -> None:
    model: dict[str, Any] = size.config["model"]
    with torch.device("meta"), upstream.silence():
        factory, diffusion = upstream.module("models.factory"), upstream.module("models.diffusion")
        conditioners = upstream.module("models.conditioners")
        objective = model["diffusion"].get("diffusion_objective", "v")
        theirs: dict[str, nn.Module] = {
            "model.": diffusion.DiTWrapper(diffusion_objective=objective, **model["diffusion"]["config"]),
            "pretransform.": factory.create_pretransform_from_config(
                {**model["pretransform"], "model_half": False}, 44100
            ),
            **{
                f"conditioner.conditioners.{name}.": conditioners.NumberConditioner(768, 0, 256)
                for name in model["diffusion"]["global_cond_ids"]
            },
        }
    found = {
        f"{prefix}{name}": tuple(v.shape) for prefix, part in theirs.items() for name, v in part.state_dict().items()
    }
    assert found == shapes


def test_tensors_between_stages(size: Size, spec: ModelSpec) -> None:
    found = {
        t.name: t.shape for signature in signatures(spec).values() for t in (*signature.inputs, *signature.outputs)
    }
    assert found == size.between
    assert spec.dit.positions(spec.latent_frames) == size.positions


def test_windows_of_a_full_decode() -> None:
    """As the facts have it: windows at 0, 96 and 128; the last is pasted from 144, the middle one from 112."""
    from reference.spec.model import ChunkSpec

    assert ChunkSpec().windows(256) == [(0, 0, 112), (96, 112, 144), (128, 144, 256)]
    assert ChunkSpec().windows(128) == [(0, 0, 128)]
    assert ChunkSpec().windows(40) == [(0, 0, 40)]
