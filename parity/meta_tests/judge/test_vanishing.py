"""A stage that is computed in half must keep its norms' eps there; ours does, and what another converter writes does not."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures import TINY_MODEL_DIR
from litert_pipeline.bundle import Bundle
from parity.bundles.foreign import read_foreign
from parity.bundles.vanishing import vanishing_constants
from parity.faults.catalogue.files import let_eps_vanish
from parity.judge.judge import Judge
from parity.test_parity import case_called
from reference.spec.files import sha256_of
from reference.spec.stages import ALL_STAGES, DIT

IN_HALF, IN_FLOAT = "litert_fp16", "litert_fp32"


@pytest.fixture(scope="module")
def eps_lost(judge: Judge, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    """A judge of the fp32 bundle whose DiT has the eps that others write."""
    bundle = judge.contenders[IN_HALF].bundle
    assert bundle is not None
    path = Path(shutil.copy(bundle.path(DIT), tmp_path_factory.mktemp("eps_lost")))
    let_eps_vanish(path)
    entry = replace(bundle.manifest.stages[DIT], file=str(path), sha256=sha256_of(path))
    stages = {**bundle.manifest.stages, DIT: entry}
    with judge.of_others([Bundle(folder=bundle.folder, manifest=replace(bundle.manifest, stages=stages))]) as found:
        yield found


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_our_files_keep_what_they_rest_on(judge: Judge, stage: str) -> None:
    (check,) = judge.kept(stage, IN_HALF, [case_called(judge, "drums")])
    assert check.ok, str(check)


def test_the_eps_of_a_norm_that_sees_padding_is_named(eps_lost: Judge) -> None:
    (check,) = eps_lost.kept(DIT, IN_HALF, [case_called(eps_lost, "drums")])
    assert not check.ok
    assert "1e-06 of DIV in" in check.why
    assert "RSQRT" not in check.why, "beside eps a scaled row's squares are never so small"


def test_so_is_that_of_a_bundle_made_elsewhere(judge: Judge, positional: Path) -> None:
    """Right on this CPU, which does not flush, and NaN on those that do."""
    with judge.of_others([read_foreign(positional, TINY_MODEL_DIR)]) as others:
        (check,) = others.kept(DIT, IN_HALF, [case_called(judge, "drums")])
    assert not check.ok
    assert "1e-06 of RSQRT in" in check.why


def test_what_is_computed_in_float_may_hold_any(eps_lost: Judge) -> None:
    assert eps_lost.kept(DIT, IN_FLOAT, [case_called(eps_lost, "drums")]) == []
    bundle = eps_lost.contenders[IN_FLOAT].bundle
    assert bundle is not None
    assert vanishing_constants(bundle.path(DIT))
