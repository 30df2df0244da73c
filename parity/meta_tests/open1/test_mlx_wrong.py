"""Bundles for MLX that load and run and are wrong in their numbers: each is refused, and the stage is named."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from litert_pipeline.bundle import Bundle
from litert_pipeline.mlx_file import Described, read_described, write_tensors
from parity.faults.catalogue.files import noted
from parity.meta_tests.test_gate import copied, gate
from reference.spec.stages import CONDITIONER, DIT
from reference.spec.tensors import Array

pytest.importorskip("mlx.core", reason="MLX is not installed ('make gate' does it where it can be had)")

pytestmark = [pytest.mark.xdist_group("open1"), pytest.mark.more]

MATRIX = "transformer.layers.0.ff.ff.2.weight"
FIRST, SECOND = "transformer.layers.0.", "transformer.layers.1."

Tensors = dict[str, Array]
Change = Callable[[Described, Tensors], tuple[Described, Tensors]]


def one_nan(what: Described, tensors: Tensors) -> tuple[Described, Tensors]:
    wrong = tensors[MATRIX].copy()
    wrong[3, 5] = np.nan
    return what, tensors | {MATRIX: wrong}


def in_fortran_s_order(what: Described, tensors: Tensors) -> tuple[Described, Tensors]:
    """Memory as it lies in Fortran's order, under the right shape: what is saved of an array that was not made contiguous."""
    matrix = tensors[MATRIX]
    return what, tensors | {MATRIX: matrix.ravel(order="F").reshape(matrix.shape)}


def layers_swapped(what: Described, tensors: Tensors) -> tuple[Described, Tensors]:
    firsts = [name for name in tensors if name.startswith(FIRST)]
    pairs = [(name, name.replace(FIRST, SECOND)) for name in firsts]
    return what, tensors | {one: tensors[other] for pair in pairs for one, other in (pair, pair[::-1])}


def half_the_range(what: Described, tensors: Tensors) -> tuple[Described, Tensors]:
    numbers = tuple(replace(number, max_s=number.max_s / 2) for number in what.parts["numbers"])
    return replace(what, parts={**what.parts, "numbers": numbers}), tensors


WRONG: dict[str, tuple[str, Change]] = {
    "half the range of seconds in the header": (CONDITIONER, half_the_range),
    "memory in Fortran's order": (DIT, in_fortran_s_order),
    "one weight is NaN": (DIT, one_nan),
    "two layers swapped": (DIT, layers_swapped),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_bundle_of_wrong_numbers_is_refused_and_the_stage_is_named(
    open1: Path, open1_mlx: Mapping[str, Bundle], tmp_path: Path, name: str
) -> None:
    from safetensors.numpy import load_file

    stage, change = WRONG[name]
    folder, right = copied(open1_mlx["mlx_fp32"], tmp_path), open1_mlx["mlx_fp32"].path(stage)
    what, tensors = change(read_described(right), load_file(right))
    write_tensors(folder / right.name, tensors, what)
    noted(folder, stage)
    report = tmp_path / "report"
    code, output = gate(
        "--model", open1, "--bundle", folder, "--variants", "mlx_fp32", "--cases", "drums", "--report", report
    )
    assert code == 1, output
    assert "REFUSE" in output
    content = json.loads((report / "report.json").read_text())
    assert {blamed["stage"] for blamed in content["blame"]} == {stage}
