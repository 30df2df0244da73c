"""In which precision a checkpoint's weights are stored is read from its files, whatever wrote them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from fixtures import TINY_MODEL_DIR
from reference.model.stored import stored_in_words, stored_types

WEIGHTS = TINY_MODEL_DIR / "model.safetensors"
State = dict[str, Tensor]


def as_stored(*types: torch.dtype) -> State:
    """The tiny model's tensors, the first in the first of these types, the second in the next, and so around."""
    return {name: value.to(types[i % len(types)]) for i, (name, value) in enumerate(load_file(WEIGHTS).items())}


def as_safetensors(state: State, folder: Path) -> Path:
    save_file(state, folder / "model.safetensors")
    return folder / "model.safetensors"


def as_checkpoint(state: State, folder: Path) -> Path:
    torch.save({"state_dict": state}, folder / "model.ckpt")
    return folder / "model.ckpt"


@pytest.mark.parametrize("write", [as_safetensors, as_checkpoint])
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_one_type_is_named(write: Callable[[State, Path], Path], kind: torch.dtype, tmp_path: Path) -> None:
    found = stored_types(write(as_stored(kind), tmp_path))
    assert found == {str(kind).removeprefix("torch."): sum(value.numel() for value in load_file(WEIGHTS).values())}


@pytest.mark.parametrize("write", [as_safetensors, as_checkpoint])
def test_of_several_types_the_share_of_each_is_told(write: Callable[[State, Path], Path], tmp_path: Path) -> None:
    state = as_stored(torch.float16, torch.float32)
    halves = sum(value.numel() for value in state.values() if value.dtype == torch.float16)
    share = 100 * halves / sum(value.numel() for value in state.values())
    told = stored_in_words({"model": write(state, tmp_path)})
    assert f"float16 ({share:.3g} %)" in told
    assert f"float32 ({100 - share:.3g} %)" in told


def test_tensors_that_hold_no_weights_do_not_count(tmp_path: Path) -> None:
    state = {"weight": torch.zeros(3), "steps": torch.zeros(9, dtype=torch.int64)}
    assert stored_in_words({"a": as_safetensors(state, tmp_path), "b": as_checkpoint(state, tmp_path)}) == (
        "a in float32; b in float32"
    )
