"""A stage that is computed in half must keep its norms' eps there; ours does, and what was converted before does not."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from litert_pipeline.build.export import write_litert
from litert_pipeline.build.stage import PLAIN, exportable
from litert_pipeline.bundle import Bundle
from parity.bundles.vanishing import vanishing_constants
from parity.judge.judge import Judge
from parity.measure.teacher_forcing import unequal_values
from parity.test_parity import case_called
from reference.spec.files import sha256_of
from reference.spec.stages import ALL_STAGES, DIT

IN_HALF, IN_FLOAT = "litert_fp16", "litert_fp32"


@pytest.fixture(scope="module")
def unlifted(judge: Judge, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    """A judge of the fp32 bundle with the DiT as a converter writes it that lifts nothing."""
    bundle = judge.contenders[IN_HALF].bundle
    assert bundle is not None
    path = tmp_path_factory.mktemp("unlifted") / "dit.tflite"
    entry = bundle.manifest.stages[DIT]
    write_litert(exportable(judge.model, DIT, PLAIN), entry.signature, path)
    entry = replace(entry, file=str(path), sha256=sha256_of(path), size_bytes=path.stat().st_size)
    stages = {**bundle.manifest.stages, DIT: entry}
    other = Bundle(folder=Path(bundle.folder), manifest=replace(bundle.manifest, stages=stages))
    with judge.of_others([other]) as found:
        yield found


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_our_files_keep_what_they_rest_on(judge: Judge, stage: str) -> None:
    (check,) = judge.kept(stage, IN_HALF, [case_called(judge, "drums")])
    assert check.ok, str(check)


def test_the_eps_of_a_norm_that_sees_padding_is_named(unlifted: Judge) -> None:
    (check,) = unlifted.kept(DIT, IN_HALF, [case_called(unlifted, "drums")])
    assert not check.ok
    assert "1e-06 of RSQRT in" in check.why
    assert "1e-05" not in check.why, "no row of these norms is ever so small"


def test_a_lift_changes_no_bit_in_float32(judge: Judge, unlifted: Judge) -> None:
    lifted, plain = (one.answers(DIT, IN_FLOAT, case_called(judge, "drums")) for one in (judge, unlifted))
    assert unequal_values(lifted, plain) == 0


def test_what_is_computed_in_float_may_hold_any(unlifted: Judge) -> None:
    assert unlifted.kept(DIT, IN_FLOAT, [case_called(unlifted, "drums")]) == []
    bundle = unlifted.contenders[IN_FLOAT].bundle
    assert bundle is not None
    assert vanishing_constants(bundle.path(DIT))
