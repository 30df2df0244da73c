"""What of a SAME codec's config is refused besides: parts and keys that no published config has otherwise."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from fixtures.configs import Json
from fixtures.same_configs import SAME_TINY
from reference.spec.codec_config import read_codec_spec
from reference.spec.config import CONFIG_NAME
from reference.spec.errors import InputError
from reference.test_same_loading import DEC, ENC, in_config

HEADS = "expected whole heads, each of a multiple of 4 channels and at least 8"
REFUSED = {
    "another decoder": (in_config("model.decoder.type", "oobleck"), "'model.decoder.type' is 'oobleck'"),
    "another bottleneck": (in_config("model.bottleneck.type", "vae"), "'model.bottleneck.type' is 'vae'"),
    "other patches": (in_config("model.pretransform.type", "pqmf"), "'model.pretransform.type' is 'pqmf'"),
    "patches of other channels": (in_config("model.pretransform.config.channels", 1), "is 1, but the rest of the file says 2"),
    "a bottleneck of other channels": (in_config("model.bottleneck.config.dim", 21), "is 21, but the rest of the file says 20"),
    "a half of other latents": (in_config(f"{DEC}.latent_dim", 21), "is 21, but the rest of the file says 20"),
    "no DyT": (in_config(f"{ENC}.dyt", False), "'model.encoder.config.dyt' other than true"),
    "no bias": (in_config(f"{ENC}.mapping_bias", False), "'model.encoder.config.mapping_bias' other than true"),
    "layer scale": (in_config(f"{ENC}.layer_scale", True), "'model.encoder.config.layer_scale' other than false"),
    "cross-attention": (in_config(f"{ENC}.cross_attn", True), "'model.encoder.config.cross_attn' other than false"),
    "feature scale": (in_config(f"{ENC}.feat_scale", True), "'model.encoder.config.feat_scale' other than false"),
    "heads of odd pairs": (in_config(ENC, {**SAME_TINY["model"]["encoder"]["config"], "channels": 18, "dim_heads": 18}), HEADS),
    "heads too small": (in_config(f"{ENC}.dim_heads", 4), HEADS),
    "window of the past alone": (in_config(f"{ENC}.sliding_window", [1, -1]), "expected two numbers of frames"),
    "window of no numbers": (in_config(f"{ENC}.sliding_window", [1, True]), "expected two numbers of frames"),
    "sines of half a level": (in_config(f"{DEC}.sinusoidal_blocks", [0.5]), "expected one number"),
    "unknown key at the top": (in_config("dtype", "float16"), "unknown or unsupported key 'dtype'"),
    "unknown key of a half": (in_config("model.encoder.dilation", 2), "unknown or unsupported key 'model.encoder.dilation'"),
    "unknown key of patches": (in_config("model.pretransform.scale", 2.0), "unsupported key 'model.pretransform.scale'"),
    "unknown key of their config": (in_config("model.pretransform.config.hop", 2), "key 'model.pretransform.config.hop'"),
    "unknown key of the bottleneck": (in_config("model.bottleneck.scale", 2), "unsupported key 'model.bottleneck.scale'"),
    "unknown key of its config": (in_config("model.bottleneck.config.eps", 2), "unsupported key 'model.bottleneck.config.eps'"),
}  # fmt: skip
NESTED = {
    "scaled latents": (in_config("model.pretransform.scale", 2.0), "'model.pretransform.scale' other than 1.0 is not supported"),
    "unknown key": (in_config("model.pretransform.shift", 1), "unknown or unsupported key 'model.pretransform.shift'"),
}


def told(config: Json, folder: Path) -> str:
    """What is said of a config."""
    path = folder / CONFIG_NAME
    path.write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(InputError) as raised:
        read_codec_spec(path)
    assert str(raised.value).startswith(f"{path}: ")
    return str(raised.value)


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_another_codec_is_refused(tmp_path: Path, name: str) -> None:
    spoil, words = REFUSED[name]
    config = copy.deepcopy(SAME_TINY)
    spoil(config)
    assert words in told(config, tmp_path)


@pytest.mark.parametrize("name", NESTED)
def test_what_a_model_does_to_its_latents_beside_its_codec_is_refused(tmp_path: Path, name: str) -> None:
    spoil, words = NESTED[name]
    pretransform: dict[str, Any] = {"type": "autoencoder", "config": SAME_TINY["model"]}
    config = {"model_type": "diffusion_cond", "sample_rate": 44100, "model": {"pretransform": pretransform}}
    spoil(config)
    assert words in told(config, tmp_path)
