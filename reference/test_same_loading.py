"""The SAME codec's config and checkpoints: names and shapes of the official ones, strict reading, alone and nested."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from fixtures.__main__ import app as fixtures_app
from fixtures.configs import Json
from fixtures.make_codec import CODECS, WEIGHTS_NAME, make_codec
from fixtures.same_configs import SAME_L, SAME_S, SAME_TINY, SAME_TINY_L
from reference.codec import load_codec
from reference.model.same import Same
from reference.spec.codec.same import SameSpec
from reference.spec.codec.shape import CodecShape
from reference.spec.codec_config import read_codec_spec
from reference.spec.config import CONFIG_NAME
from reference.spec.errors import InputError

NESTED = "pretransform.model."


def spec_of(config: Json, folder: Path) -> SameSpec:
    (folder / CONFIG_NAME).write_text(json.dumps(config), encoding="utf-8")
    return read_codec_spec(folder / CONFIG_NAME)


# The official checkpoints, as loaders of others list them: parameters, all stored values, tensors.
OFFICIAL = {
    "same-s": (SAME_S, 108_244_529, 108_244_721, 244),
    "same-l": (SAME_L, 852_127_073, 852_127_457, 472),
}
HALVES = {"same-s": (53_728_792, 54_515_224), "same-l": (426_063_664, 426_062_896)}


def official_shapes(width: int, depth: int, taps: int) -> dict[str, tuple[int, ...]]:
    """Every tensor of a checkpoint by name; heads of 64, patches of 512 values, 256 latent channels."""

    def blocks(prefix: str) -> dict[str, tuple[int, ...]]:
        def norm(name: str, dim: int) -> dict[str, tuple[int, ...]]:
            return {f"{name}.alpha": (1,), f"{name}.gamma": (dim,), f"{name}.beta": (dim,)}

        block = {
            **norm("pre_norm", width), **norm("ff_norm", width),
            **norm("self_attn.q_norm", 64), **norm("self_attn.k_norm", 64),
            "self_attn.to_qkv.weight": (5 * width, width), "self_attn.to_out.weight": (width, width),
            "ff.ff.0.proj.weight": (6 * width, width), "ff.ff.0.proj.bias": (6 * width,),
            "ff.ff.2.weight": (width, 3 * width), "ff.ff.2.bias": (width,), "rope.inv_freq": (16,),
        }  # fmt: skip
        return {f"{prefix}.transformers.{n}.{name}": shape for n in range(depth) for name, shape in block.items()}

    enc, dec = "encoder.layers.0", "decoder.layers.3"
    return {
        "bottleneck.scaling_factor": (1, 256, 1), "bottleneck.bias": (1, 256, 1),
        "bottleneck.noise_scaling_factor": (1, 0, 1), "bottleneck.running_std": (1,),
        f"{enc}.mapping.weight_g": (width, 1, 1), f"{enc}.mapping.weight_v": (width, 512, 1), f"{enc}.mapping.bias": (width,),
        f"{enc}.new_tokens": (1, 1, width), **blocks(enc),
        "encoder.layers.2.weight": (256, width), "encoder.layers.2.bias": (256,),
        "decoder.layers.1.weight": (width, 256), "decoder.layers.1.bias": (width,),
        f"{dec}.mapping.weight_g": (512, 1, 1), f"{dec}.mapping.weight_v": (512, width, taps), f"{dec}.mapping.bias": (512,),
        f"{dec}.new_tokens": (1, 1, width), **blocks(dec),
    }  # fmt: skip


@pytest.mark.parametrize("name", OFFICIAL)
def test_names_shapes_and_counts_are_those_of_the_official_checkpoints(tmp_path: Path, name: str) -> None:
    config, parameters, values, tensors = OFFICIAL[name]
    with torch.device("meta"):
        module = Same(spec_of(config, tmp_path))
    state = module.state_dict()
    assert len(state) == tensors
    assert sum(p.numel() for p in module.parameters()) == parameters
    assert sum(t.numel() for t in state.values()) == values
    halves = (module.encoder, module.decoder)
    assert tuple(sum(p.numel() for p in half.parameters()) for half in halves) == HALVES[name]
    shapes = official_shapes(*((768, 6, 3) if name == "same-s" else (1536, 12, 1)))
    assert {key: tuple(tensor.shape) for key, tensor in state.items()} == shapes


@pytest.mark.parametrize(("config", "shape"), [
    (SAME_S, {"ratio": 4096, "alignment": 2, "encode_reach": 1, "decode_reach": 2}),
    (SAME_L, {"ratio": 4096, "alignment": 1, "encode_reach": 12, "decode_reach": 12}),
    (SAME_TINY, {"ratio": 272, "alignment": 2, "encode_reach": 1, "decode_reach": 2}),
    (SAME_TINY_L, {"ratio": 272, "alignment": 1, "encode_reach": 2, "decode_reach": 3}),
], ids=["same-s", "same-l", "tiny", "tiny-l"])  # fmt: skip
def test_what_callers_have_to_know(tmp_path: Path, config: Json, shape: dict[str, int]) -> None:
    spec = spec_of(config, tmp_path)
    channels = config["model"]["latent_dim"]
    assert spec.shape == CodecShape(sample_rate_hz=44100, audio_channels=2, latent_channels=channels, **shape)


def test_ten_seconds_are_108_frames(tmp_path: Path) -> None:
    assert spec_of(SAME_S, tmp_path).shape.frames(10 * 44100) == 108


def test_seven_of_twelve_blocks_are_sinusoidal_where_the_config_says_eight(tmp_path: Path) -> None:
    decoder = spec_of(SAME_L, tmp_path).decoder
    assert [index for index in range(decoder.depth) if decoder.is_sinusoidal(index)] == [5, 6, 7, 8, 9, 10, 11]


def nest(folder: Path, out: Path) -> Path:
    """The codec as part of a model that generates: its config and weights with much else around."""
    config = json.loads((folder / CONFIG_NAME).read_text(encoding="utf-8"))
    pretransform = {"type": "autoencoder", "chunked": True, "iterate_batch": False, "scale": 1.0, "config": config["model"]}
    whole = {
        "model_type": "diffusion_cond_inpaint", "sample_rate": config["sample_rate"], "sample_size": 5292032,
        "model": {"pretransform": pretransform, "diffusion": {"type": "dit"}, "io_channels": 256},
    }  # fmt: skip
    out.mkdir()
    (out / CONFIG_NAME).write_text(json.dumps(whole), encoding="utf-8")
    state = {f"{NESTED}{name}": tensor for name, tensor in load_file(folder / WEIGHTS_NAME).items()}
    save_file(state | {"model.model.transformer.project_in.weight": torch.ones(2, 3)}, out / WEIGHTS_NAME)
    return out


@pytest.mark.parametrize("config", ["same-tiny", "same-tiny-l"])
def test_a_codec_inside_another_model_is_the_same_codec(tmp_path: Path, config: str) -> None:
    make_codec(tmp_path / "alone", config, seed=0)
    alone, nested = load_codec(tmp_path / "alone"), load_codec(nest(tmp_path / "alone", tmp_path / "nested"))
    assert nested.spec == alone.spec
    assert all(torch.equal(t, nested.module.state_dict()[name]) for name, t in alone.module.state_dict().items())


@pytest.mark.parametrize("prefix", ["", NESTED], ids=["alone", "nested"])
def test_a_torch_checkpoint_is_read_too(copy: Path, prefix: str) -> None:
    state = load_file(copy / WEIGHTS_NAME)
    (copy / WEIGHTS_NAME).unlink()
    torch.save({"state_dict": {f"{prefix}{name}": tensor for name, tensor in state.items()}}, copy / "model.ckpt")
    loaded = load_codec(copy).module.state_dict()
    assert all(torch.equal(tensor, loaded[name]) for name, tensor in state.items())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "codec"
    make_codec(folder, "same-tiny", seed=0)
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "codec"))


def in_config(path: str, value: Any) -> Callable[[Json], None]:
    """Set a value of a config, or remove it where the value is None."""

    def change(config: Json) -> None:
        *parents, last = path.split(".")
        for name in parents:
            config = config[name]
        config.pop(last, None) if value is None else config.update({last: value})

    return change


ENC, DEC = "model.encoder.config", "model.decoder.config"
BAD_CONFIGS = {
    "no codec": (in_config("model_type", None), "key 'model_type' is missing"),
    "a model that generates without one": (in_config("model_type", "diffusion_cond"), "'model.pretransform.type' is 'patched'"),
    "another codec": (in_config("model.encoder.type", "oobleck"), "expected a codec of one of these types: same, taae_v2"),
    "unknown key": (in_config(f"{ENC}.dilation", 2), "unknown or unsupported key 'model.encoder.config.dilation'"),
    "unknown key beside the halves": (in_config("model.in_channels", 1), "'model.in_channels'"),
    "missing key": (in_config(f"{DEC}.strides", None), "key 'model.decoder.config.strides' is missing"),
    "several levels": (in_config(f"{ENC}.strides", [2, 4]), "more than one level is not supported"),
    "not differential": (in_config(f"{ENC}.differential", False), "'model.encoder.config.differential' other than true"),
    "conformer": (in_config(f"{DEC}.conformer", True), "'model.decoder.config.conformer' other than false"),
    "wider feed-forward": (in_config(f"{DEC}.ff_mult", 4), "other than 3 is not supported"),
    "heads that do not fit": (in_config(f"{ENC}.dim_heads", 20), "expected whole heads"),
    "no mapping": (in_config(f"{ENC}.channels", 34), "and so no mapping"),
    "chunks of uneven halves": (in_config(f"{ENC}.chunk_size", 24), "expected a multiple of 16"),
    "halves that differ in chunks": (in_config(f"{ENC}.chunk_size", 32), "frames in a chunk must be equal, found 4 and 2"),
    "halves that differ in stride": (in_config(f"{ENC}.strides", [4]), "stride must be equal, found 4 and 8"),
    "window of one number": (in_config(f"{ENC}.sliding_window", [1]), "expected two numbers of frames"),
    "sines of two levels": (in_config(f"{DEC}.sinusoidal_blocks", [1, 2]), "expected one number"),
    "patches that do not fit": (in_config(f"{ENC}.in_channels", 70), "is 70, but the rest of the file says 68"),
    "a wrong ratio": (in_config("model.downsampling_ratio", 4096), "must be equal, found 4096 and 272"),
    "no auto scale": (in_config("model.bottleneck.config.auto_scale", False), "auto_scale' other than true"),
    "noise channels": (in_config("model.bottleneck.config.noise_augment_dim", 2), "other than 0 is not supported"),
    "soft clip": (in_config("model.decoder.soft_clip", True), "soft_clip' is true, which is not supported"),
    "surround": (in_config("model.io_channels", 6), "is 6, supported: 1, 2"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_CONFIGS)
def test_bad_configs_are_refused(copy: Path, name: str) -> None:
    spoil, words = BAD_CONFIGS[name]
    config = json.loads((copy / CONFIG_NAME).read_text(encoding="utf-8"))
    spoil(config)
    (copy / CONFIG_NAME).write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(InputError) as told:
        load_codec(copy)
    assert str(told.value).startswith(f"{copy / CONFIG_NAME}: ")
    assert words in str(told.value)


STD = "bottleneck.running_std"
BAD_WEIGHTS = {
    "missing": (lambda state: state.pop(STD), f"1 missing: {STD}"),
    "unexpected": (lambda state: state.update(extra=torch.ones(1)), "1 unexpected: extra"),
    "mis-shaped": (lambda state: state.update({STD: torch.ones(2)}), f"1 mis-shaped: {STD} [2] instead of [1]"),
    "not finite": (lambda state: state.update({STD: torch.tensor([torch.nan])}), f"1 not finite: {STD}"),
}


@pytest.mark.parametrize("prefix", ["", NESTED], ids=["alone", "nested"])
@pytest.mark.parametrize("name", BAD_WEIGHTS)
def test_weights_load_completely_or_not_at_all(copy: Path, name: str, prefix: str) -> None:
    spoil, words = BAD_WEIGHTS[name]
    state = load_file(copy / WEIGHTS_NAME)
    spoil(state)
    save_file({f"{prefix}{key}": tensor for key, tensor in state.items()}, copy / WEIGHTS_NAME)
    with pytest.raises(InputError) as told:
        load_codec(copy)
    assert words in str(told.value)


@pytest.mark.parametrize(("arguments", "words"), [
    (["--config", "same-big"], "config 'same-big' is unknown; valid configs: tiny, "),
    (["--config", "same-tiny", "--rough", "gains"], "rough is for models that generate"),
], ids=["unknown", "rough"])  # fmt: skip
def test_make_model_says_what_it_cannot_make(tmp_path: Path, arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(fixtures_app, ["make-model", "--out", str(tmp_path / "m"), *arguments])
    assert (result.exit_code, result.stderr.startswith(f"error: {words}")) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_make_model_writes_a_codec_that_loads(tmp_path: Path) -> None:
    result = CliRunner().invoke(fixtures_app, ["make-model", "--out", str(tmp_path / "m"), "--config", "same-tiny-l"])
    assert result.exit_code == 0
    assert load_codec(tmp_path / "m").spec == spec_of(CODECS["same-tiny-l"], tmp_path)
