"""Stable Audio Open 1.0 in MLX: judged at four precisions, single errors in the port refused; `make open1-test` but for one."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from litert_pipeline.bundle import Bundle
from parity.judge.judge import Judge
from parity.meta_tests.runtimes.test_mlx_faults import (
    DRAWS,
    ERRORS,
    RECIPES,
    check_error_is_refused,
    check_layout_is_refused,
)
from parity.meta_tests.test_gate import gate

pytest.importorskip("mlx.core", reason="MLX is not installed ('make gate' does it where it can be had)")

pytestmark = pytest.mark.xdist_group("open1")
IN_EVERY_RUN = [("another epsilon", "mlx_fp32")]
COARSE = "mlx_int4"


@pytest.mark.open1
def test_all_precisions_are_faithful_and_the_policy_answers_for_each(
    open1: Path, open1_mlx: Mapping[str, Bundle], tmp_path: Path
) -> None:
    """Guidance of 7 leads what 4 bits err so far that another piece might come of it: a policy's answer, with its reason."""
    bundles = [word for bundle in open1_mlx.values() for word in ("--bundle", bundle.folder)]
    code, output = gate("--model", open1, *bundles, "--cases", "drums", "--policy", "preview", "--report", tmp_path / "report")
    verdicts = {bundle["name"]: bundle for bundle in json.loads((tmp_path / "report" / "report.json").read_text())["bundles"]}
    assert set(verdicts) == set(RECIPES)
    assert all(verdict["faithful"] for verdict in verdicts.values()), output
    assert [name for name, verdict in verdicts.items() if not verdict["close_enough"]] == [COARSE], output
    assert (code, "latents_envelope" in output) == (1, True)


@pytest.mark.open1
@pytest.mark.parametrize("seed", range(DRAWS))
def test_a_transposed_convolution_laid_out_otherwise_is_refused(
    open1_judge: Judge, open1_mlx: Mapping[str, Bundle], tmp_path: Path, seed: int
) -> None:
    with open1_judge.of_others(open1_mlx.values()) as judge:
        check_layout_is_refused(judge, open1_mlx["mlx_fp32"], tmp_path, seed)


@pytest.mark.parametrize(("error", "recipe"), [
    pytest.param(error, recipe, marks=() if (error, recipe) in IN_EVERY_RUN else pytest.mark.open1)
    for error in ERRORS
    for recipe in RECIPES
])  # fmt: skip
def test_an_error_in_the_port_is_refused_at_every_precision(
    open1_judge: Judge, open1_mlx: Mapping[str, Bundle], monkeypatch: pytest.MonkeyPatch, error: str, recipe: str
) -> None:
    check_error_is_refused(open1_judge, open1_mlx[recipe], monkeypatch, error)
