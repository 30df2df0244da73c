"""Constants of files for MLX: levels are read by what the header says of them, which is looked into first."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures import TINY_MODEL_DIR
from litert_pipeline.mlx_file import described, write_tensors
from litert_pipeline.mlx_header import Quantized
from parity.bundles.constants_mlx import mlx_constants
from reference.spec.config import CONFIG_NAME, read_model_spec
from reference.spec.errors import InputError
from reference.spec.tensors import Array

ROWS, WORDS, GROUPS = 8, 32, 2
GRID = np.full((ROWS, GROUPS), 0.5, np.float32)
STORED = {"layer.weight": np.full((ROWS, WORDS), 0x04030201, np.uint32), "layer.scales": GRID, "layer.biases": -GRID}


def written(path: Path, stored: dict[str, Array], group_size: Any) -> Path:
    spec = read_model_spec(TINY_MODEL_DIR / CONFIG_NAME, lambda name: TINY_MODEL_DIR / name)
    spec = replace(spec, dit=replace(spec.dit, depth=1))  # as many tensors as there are
    what = replace(described(spec, "dit"), quantized={"layer": Quantized(bits=8, group_size=group_size)})
    write_tensors(path, stored, what)
    return path


@pytest.mark.parametrize("group_size", [64, None], ids=["said", "null"])
def test_levels_scales_and_zeros_are_read(tmp_path: Path, group_size: int | None) -> None:
    (found,) = mlx_constants(written(tmp_path / "x.safetensors", STORED, group_size))
    assert found.shape == (ROWS, GROUPS * 64)
    assert found.read(0, 1)[0, :4].tolist() == [1, 2, 3, 4]
    assert found.grid is not None
    assert found.grid.block == (1, 64)
    assert np.array_equal(found.grid.zero, np.ones((ROWS, GROUPS)))


@pytest.mark.parametrize("part", sorted(STORED))
def test_a_quantized_layer_without_one_of_its_parts_is_told(tmp_path: Path, part: str) -> None:
    path = written(tmp_path / "x.safetensors", {name: array for name, array in STORED.items() if name != part}, 64)
    with pytest.raises(InputError, match=rf"x\.safetensors: 'quantized\.layer' is said to be quantized, .*no '{part}'"):
        mlx_constants(path)
