"""Files converted by upstream's own way of loading: what `make test` rewrites is what these are. `make rounded` runs it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fixtures import TINY_MODEL_DIR
from fixtures.oracle.positional import NAMES, write_rounded
from litert_pipeline.build.export import write_onnx
from litert_pipeline.build.quantize import QUANTIZERS
from litert_pipeline.build.recipes import RECIPES
from litert_pipeline.build.stage import exportable
from parity.bundles.audit import MOST_STEPS
from parity.bundles.constants_litert import litert_constants
from parity.judge.judge import Judge
from parity.measure.arithmetic import ALL_AT_LOAD
from parity.meta_tests.bundles.test_foreign import run
from parity.meta_tests.judge.test_rounded_at_load import FOUND, read
from parity.truth.loading import as_loaded
from reference.spec.stages import ALL_STAGES, DIT, signatures

pytestmark = pytest.mark.rounded
FOLDED = 4e-6  # relative: roundings of float32 where a converter computes a kernel beforehand; measured up to 9e-7


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("upstream") / "rounded"
    write_rounded(TINY_MODEL_DIR, folder)
    return folder


@pytest.mark.parametrize("stage", NAMES)
def test_rewritten_files_are_those_that_upstream_s_loading_gives(converted: Path, rounded: Path, stage: str) -> None:
    assert_same_constants(converted / NAMES[stage], rounded / NAMES[stage])


def assert_same_constants(converted: Path, rewritten: Path) -> None:
    """Constants of two LiteRT files are the same in name, shape and order, and but for float32's rounding in value."""
    for theirs, ours in zip(litert_constants(converted), litert_constants(rewritten), strict=True):
        assert (theirs.name, theirs.shape, theirs.storage) == (ours.name, ours.shape, ours.storage)
        apart = np.abs(theirs.values().astype(np.float64) - ours.values().astype(np.float64))
        assert apart.max(initial=0) <= FOLDED * np.abs(theirs.values()).max(initial=0), theirs.name


@pytest.mark.parametrize(("policy", "code"), [("publish", 0), ("transparent", 1), ("preview", 0)])
def test_the_whole_bundle_of_upstream_s_loading(converted: Path, policy: str, code: int) -> None:
    found, output = run("gate", "--bundle", converted, "--policy", policy, "--variants", "litert_fp32")
    assert found == code, output
    assert ("is not accepted" in output) == (code == 1)


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_onnx_files_of_rounded_weights_are_recognised(judge: Judge, tmp_path: Path, stage: str) -> None:
    model, path = as_loaded(judge.model, stage, FOUND[stage]), tmp_path / f"{stage}.onnx"
    with torch.no_grad():
        write_onnx(exportable(model, stage), signatures(model.spec)[stage], path)
    contents = read(path, judge, stage)
    assert (contents.loaded, contents.wrong, contents.missing, contents.unexplained) == (FOUND[stage], (), (), ())
    if stage == DIT:
        QUANTIZERS["onnx"](path, tmp_path / "small.onnx", RECIPES["onnx_int8"].quantize[DIT], "onnx_int8")
        small = read(tmp_path / "small.onnx", judge, stage)
        assert (small.loaded, small.wrong, small.missing, small.unexplained) == (ALL_AT_LOAD, (), (), ())
        assert small.steps <= MOST_STEPS
