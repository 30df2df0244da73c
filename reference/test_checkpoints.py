"""What a checkpoint may not be is told, with the keys and tensors in question, before anything is computed with them."""

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from fixtures import TINY_MODEL_DIR
from reference.model.weights import T5_ALIAS, T5_SHARED
from reference.pipeline import load_model
from reference.spec.errors import InputError

State = dict[str, Tensor]
CKPT, BIN, T5 = "model.ckpt", "pytorch_model.bin", "t5-tiny"
PLAIN, OTHER = "of a type or layout that holds no weights", "stored small, so from a file that was quantized"
FIRST = "pretransform.model.decoder.layers.0.weight"  # a kernel under a weight norm
EXPECTED = "expected a dict of tensors by name, state_dict or model_state_dict or model around it or not"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TINY_MODEL_DIR, tmp_path / "model"))


def saved(folder: Path, name: str, change: Callable[[State], object]) -> Path:
    """A folder's weights as a torch checkpoint, changed."""
    weights = folder / "model.safetensors"
    torch.save(change(load_file(weights)), folder / name)
    weights.unlink()
    return folder / name


def told(model: Path) -> str:
    """Why a model is not loaded; no library has anything to say."""
    with pytest.raises(InputError) as error:
        load_model(model)
    return str(error.value)


def itself(state: State) -> dict[str, Any]:
    endless: dict[str, Any] = {}
    endless["model"] = endless
    return endless


NO_STATES: dict[str, tuple[Callable[[State], object], str]] = {
    "numbers for names": (lambda s: dict(enumerate(s.values())), "calls what it holds by 0, 1, 2, 3, and"),
    "a number among names": (lambda s: {**s, 1: torch.ones(2)}, f"calls what it holds by 1, which is no text, {EXPECTED}"),
    "tuples for names": (lambda s: {(name,): value for name, value in s.items()}, "calls what it holds by ('"),
    "bytes for names": (lambda s: {name.encode(): value for name, value in s.items()}, "calls what it holds by b'"),
    "an optimizer among tensors": (lambda s: {**s, "optimizer": {"lr": 1}}, f"holds 'optimizer' (dict), {EXPECTED}"),
    "under another key": (lambda s: {"generator": s}, f"holds 'generator' (dict), {EXPECTED}"),
    "under another key within": (lambda s: {"model": {"model": {"ema": s}}}, f"holds 'model' (dict) under 'model', {EXPECTED}"),
    "under two": (lambda s: {"model": s, "state_dict": s}, "holds tensors under 'state_dict' and 'model'; expected one of them"),
    "a list under one": (lambda s: {"model": [s]}, f"holds 'model' (list), {EXPECTED}"),
    "a name alone": (lambda s: {"by": "me"}, f"holds 'by' (str), {EXPECTED}"),
    "itself": (itself, f"holds 'model' (dict) under 'model' under 'model' under 'model' under 'model', {EXPECTED}"),
}


@pytest.mark.parametrize("place", [CKPT, f"{T5}/{BIN}"])
@pytest.mark.parametrize("name", NO_STATES)
def test_what_is_no_dict_of_tensors_is_told(copy: Path, name: str, place: str) -> None:
    change, words = NO_STATES[name]
    path = saved((copy / place).parent, Path(place).name, change)
    assert f"{path}: {words}" in told(copy)


def test_a_name_that_two_tensors_have_is_told(copy: Path) -> None:
    path = saved(copy, CKPT, lambda state: {**state, f"module.{FIRST}_g": torch.ones(2)})
    assert f"{path}: holds '{FIRST}_g' twice, once as 'module.{FIRST}_g'" in told(copy)


def quantized(tensor: Tensor) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8)


def nested(tensor: Tensor) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.nested.nested_tensor([tensor, tensor])


NO_WEIGHTS: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "complex": (lambda t: t.to(torch.complex64), PLAIN),
    "float4": (lambda t: torch.zeros(t.shape, dtype=torch.uint8).view(torch.float4_e2m1fn_x2), OTHER),
    "float8": (lambda t: t.to(torch.float8_e4m3fn), OTHER),
    "int8": (lambda t: t.to(torch.int8), OTHER),
    "nested": (nested, PLAIN),
    "qint8": (quantized, PLAIN),
    "sparse": (lambda t: t.to_sparse(), PLAIN),
    "without its data": (lambda t: t.to("meta"), PLAIN),
}


def folded(state: State, change: Callable[[Tensor], Tensor]) -> State:
    """The first kernel as it is folded for inference, but changed."""
    kept = {name: value for name, value in state.items() if not name.startswith(FIRST)}
    return {**kept, FIRST: change(state[f"{FIRST}_v"])}


@pytest.mark.parametrize("kind", NO_WEIGHTS)
def test_a_folded_kernel_that_holds_no_weights_is_told(copy: Path, kind: str) -> None:
    change, words = NO_WEIGHTS[kind]
    path = saved(copy, CKPT, lambda state: folded(state, change))
    assert f"1 {words}: {FIRST}" in (line := told(copy))
    assert line.startswith(f"{path}: ")


@pytest.mark.parametrize("kind", NO_WEIGHTS)
def test_an_alias_of_the_embedding_that_holds_no_weights_is_told(copy: Path, kind: str) -> None:
    change, words = NO_WEIGHTS[kind]
    path = saved(copy / T5, BIN, lambda state: {**state, T5_ALIAS: change(state[T5_SHARED])})
    differs = f"'{T5_ALIAS}' differs from '{T5_SHARED}'"
    assert f"{path}: " in (line := told(copy))
    assert (f"1 {words}: {T5_ALIAS}" if words == PLAIN else differs) in line


@pytest.mark.parametrize("kind", ["float8", "int8"])
def test_an_embedding_and_its_alias_that_hold_no_weights_are_told_once(copy: Path, kind: str) -> None:
    change, words = NO_WEIGHTS[kind]
    both = saved(copy / T5, BIN, lambda s: {**s, T5_ALIAS: change(s[T5_SHARED]), T5_SHARED: change(s[T5_SHARED])})
    assert f"{both}: does not fit the config, nothing was loaded (1 {words}: {T5_SHARED}" in told(copy)


NO_FILES = {
    CKPT: "not a readable checkpoint (it begins with b'<!DOCTYPE', as neither torch's nor safetensors do); it may be truncated",
    "model.safetensors": "not a readable checkpoint (",
}


@pytest.mark.parametrize("name", NO_FILES)
def test_another_file_is_told(copy: Path, name: str) -> None:
    (copy / "model.safetensors").unlink()
    (copy / name).write_bytes(b"<!DOCTYPE html>")
    assert f"{copy / name}: {NO_FILES[name]}" in told(copy)


def test_a_torch_checkpoint_that_is_called_safetensors_is_told(copy: Path) -> None:
    saved(copy, CKPT, dict).rename(copy / "model.safetensors")
    assert "is a torch checkpoint, not safetensors; rename it to model.ckpt, or convert it" in told(copy)
