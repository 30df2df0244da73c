"""Files that MLX cannot run are told in one sentence, in words of ours: before it is asked, or where it says no."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from litert_pipeline.bundle import Bundle
from litert_pipeline.mlx_file import Described, read_described, write_tensors
from litert_pipeline.mlx_header import Quantized
from parity.faults.injection import with_file
from parity.runtimes.mlx_ import open_stage
from reference.spec.errors import InputError
from reference.spec.stages import ALL_STAGES, DIT
from reference.spec.tensors import Array

pytest.importorskip("mlx.core", reason="MLX is not installed ('make gate' does it where it can be had)")

Tensors = dict[str, Array]
CONV = "preprocess_conv"
BEYOND = 2**30  # channels, of which a layer has more than an axis of MLX counts


def transformer(what: Described, **values: Any) -> Described:
    return replace(what, parts={"transformer": replace(what.parts["transformer"], **values)})


def wider(what: Described, tensors: Tensors) -> tuple[Described, Tensors]:
    return transformer(what, embed_dim=BEYOND, num_heads=BEYOND // 64), tensors


def conv_quantized(what: Described, tensors: Tensors) -> tuple[Described, Tensors]:
    grid = np.ones((8, 1), np.float32)
    parts = {"weight": np.zeros((8, 16), np.uint32), "scales": grid, "biases": grid}
    own = {f"{CONV}.{name}": array for name, array in parts.items()}
    return replace(what, quantized={CONV: Quantized(bits=8, group_size=64)}), tensors | own


def other_tokens(what: Described, tensors: Tensors) -> tuple[Described, Tensors]:
    """Of a model whose prompts are embedded to other widths."""
    narrow = {"to_cond_embed.0.weight": tensors["to_cond_embed.0.weight"][:, 1:]}
    return transformer(what, cond_token_dim=what.parts["transformer"].cond_token_dim - 1), tensors | narrow


CHANGES: dict[str, tuple[Callable[[Described, Tensors], tuple[Described, Tensors]], str]] = {
    "a convolution quantized": (conv_quantized, "MLX cannot make what its header says .*Conv1d.*; convert it again"),
    "channels beyond MLX's": (wider, "MLX cannot make what its header says .*; convert it again"),
    "tokens of another model": (other_tokens, r"cannot take x float32\[.*is it of another model\? convert it again"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_what_mlx_cannot_run_is_told(bundles: Mapping[str, Bundle], tmp_path: Path, name: str) -> None:
    from safetensors.numpy import load_file

    (change, sentence), right = CHANGES[name], bundles["mlx_fp32"]
    what, tensors = change(read_described(right.path(DIT)), load_file(right.path(DIT)))
    write_tensors(tmp_path / "dit.safetensors", tensors, what)
    feed = {one.name: np.ones(one.shape, one.dtype) for one in right.manifest.stages[DIT].own_signature.inputs}
    wrong = with_file(right, DIT, tmp_path / "dit.safetensors")
    said = rf"dit\.safetensors: {sentence}"
    with pytest.raises(InputError, match=said), open_stage(None, wrong, DIT, None, 1) as stage:
        stage(feed)


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_another_stage_s_file_in_its_place_is_told(bundles: Mapping[str, Bundle], stage: str) -> None:
    right, other = bundles["mlx_fp32"], ALL_STAGES[ALL_STAGES.index(stage) - 1]
    wrong, said = with_file(right, stage, right.path(other)), f"is of stage '{other}', expected one of stage '{stage}'"
    with pytest.raises(InputError, match=said), open_stage(None, wrong, stage, None, 1):
        pass


def test_a_norm_that_the_port_has_not_is_not_taken_for_none() -> None:
    from parity.runtimes.mlx_port.attention import qk_norm

    with pytest.raises(KeyError, match="rms"):
        qk_norm("rms", 32)
