"""Bad configs and checkpoints are refused by name; a good one in another wrapping loads the same weights."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from fixtures import TINY_MODEL_DIR
from reference.model_files import SPIECE_NAME
from reference.pipeline import load_model
from reference.spec.config import CONFIG_NAME
from reference.spec.errors import InputError


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TINY_MODEL_DIR, tmp_path / "model"))


def set_config(path: str, value: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / CONFIG_NAME).read_text())
        *parents, last = path.split(".")
        target = config
        for name in parents:
            target = target[name]
        if value is None:
            del target[last]
        else:
            target[last] = value
        (folder / CONFIG_NAME).write_text(json.dumps(config))

    return change


BAD_CONFIGS = {
    "unknown model type": (set_config("model_type", "lm"), "'model_type' is 'lm', which is not supported"),
    "missing key": (set_config("sample_rate", None), "key 'sample_rate' is missing"),
    "wrong type": (set_config("sample_size", "big"), "'sample_size' must be int, found str"),
    "bool as int": (set_config("sample_size", True), "'sample_size' must be int, found bool"),
    "zero": (set_config("audio_channels", 0), "at least 1"),
    "unknown key": (set_config("model.diffusion.config.num_memory_tokens", 4), "num_memory_tokens"),
    "chunked": (set_config("model.pretransform.chunked", 1), "'model.pretransform.chunked' must be bool"),
    "heads too narrow": (set_config("model.diffusion.config.num_heads", 8), "no whole heads of 32 channels"),
    "ungrouped kv heads": (
        set_config("model.diffusion.config.project_cond_tokens", False),
        "does not divide into heads",
    ),
    "odd global width": (
        set_config("model.diffusion.config.project_global_cond", False),
        "global_cond_dim must be embed_dim",
    ),
    "patches": (set_config("model.diffusion.config.patch_size", 3), "the latent frames modulo the DiT's patch_size"),
    "odd stride": (set_config("model.pretransform.config.decoder.config.strides", [1, 4, 4, 8, 8]), "even strides"),
    "empty shift": (
        set_config("model.diffusion.distribution_shift_options", {"min_length": 9, "max_length": 9}),
        "found 9",
    ),
    "v objective": (set_config("model.diffusion.diffusion_objective", "v"), "supported: rf_denoiser, rectified_flow"),
    "unknown qk norm": (set_config("model.diffusion.config.attn_kwargs", {"qk_norm": "rms"}), "qk_norm"),
    "contradiction": (set_config("model.io_channels", 13), "the rest of the file says 13"),
    "strides": (set_config("model.pretransform.config.decoder.config.strides", [2, 4]), "5 c_mults but 2 strides"),
    "not an object": (set_config("model.conditioning", 3), "must be an object"),
}


@pytest.mark.parametrize("name", BAD_CONFIGS)
def test_bad_configs_are_refused(copy: Path, name: str) -> None:
    spoil, words = BAD_CONFIGS[name]
    spoil(copy)
    with pytest.raises(InputError) as told:
        load_model(copy)
    assert words in str(told.value)
    assert CONFIG_NAME in str(told.value)


def edit_weights(change: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        state = load_file(folder / "model.safetensors")
        change(state)
        save_file(state, folder / "model.safetensors")

    return spoil


class Payload:
    """A pickle that would create a file when loaded."""

    def __init__(self, target: str) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (self.target, "w"))


def as_pickle(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.ckpt").write_bytes(pickle.dumps(Payload(str(folder / "executed"))))


def as_truncated_ckpt(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save({"state_dict": state}, folder / "model.ckpt")
    data = (folder / "model.ckpt").read_bytes()
    (folder / "model.ckpt").write_bytes(data[: len(data) // 2])


def as_list_ckpt(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save([1, 2], folder / "model.ckpt")


def truncated(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


PROJECT_OUT = "model.model.transformer.project_out.weight"
BAD_WEIGHTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing tensor": (edit_weights(lambda s: s.pop(PROJECT_OUT)), f"1 missing: {PROJECT_OUT}"),
    "extra tensor": (edit_weights(lambda s: s.update(extra=torch.zeros(1))), "1 unexpected: extra"),
    "mis-shaped": (edit_weights(lambda s: s.update({PROJECT_OUT: s[PROJECT_OUT].T.contiguous()})), "1 mis-shaped"),
    "nan": (edit_weights(lambda s: s[PROJECT_OUT].view(-1)[3:4].fill_(torch.nan)), "1 not finite"),
    "truncated safetensors": (truncated, "not a readable checkpoint"),
    "truncated ckpt": (as_truncated_ckpt, "not a readable checkpoint"),
    "pickle payload": (as_pickle, "its pickle could run code"),
    "ckpt of a list": (as_list_ckpt, "holds list"),
    "no weights": (
        lambda f: (f / "model.safetensors").unlink(),
        "expected one of model.safetensors, model.ckpt, base_model.safetensors",
    ),
    "no t5 config": (lambda f: (f / "t5-tiny" / "config.json").unlink(), "no such file"),
    "no t5 weights": (lambda f: (f / "t5-tiny" / "model.safetensors").unlink(), "no weights found"),
    "no tokenizer": (lambda f: (f / "t5-tiny" / SPIECE_NAME).unlink(), "no such file"),
    "damaged tokenizer": (lambda f: (f / "t5-tiny" / SPIECE_NAME).write_bytes(b"no"), "not a readable SentencePiece"),
}


@pytest.mark.parametrize("name", BAD_WEIGHTS)
def test_bad_weights_are_refused(copy: Path, name: str) -> None:
    spoil, words = BAD_WEIGHTS[name]
    spoil(copy)
    with pytest.raises(InputError) as told:
        load_model(copy)
    assert words in str(told.value)
    assert not (copy / "executed").exists()


def test_ckpt_with_wrapper_loads_the_same_weights(copy: Path) -> None:
    plain = load_model(copy)
    state = load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    torch.save({"state_dict": state, "global_step": 7}, copy / "model.ckpt")
    for name, module in load_model(copy).modules.items():
        for (key, ours), (_, theirs) in zip(
            module.state_dict().items(), plain.modules[name].state_dict().items(), strict=True
        ):
            assert torch.equal(ours, theirs), key
