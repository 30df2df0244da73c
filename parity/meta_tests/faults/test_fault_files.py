"""Wrong modules really converted: caught as files, too, and found inside; `make faults` does it with all of them."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from fixtures import TINY_MODEL_DIR
from litert_pipeline.build.conversions import Conversions
from litert_pipeline.bundle import Bundle
from litert_pipeline.run.litert import LiteRTStage
from parity.faults.bench import Bench
from parity.faults.catalogue import CATALOGUE
from parity.faults.converted import convert_all
from parity.faults.mutation import run_fault
from parity.judge.judge import Judge
from reference.spec.errors import InputError

BROKEN, WRONG, MODULE = "guided_in_graph", "glu_halves_swapped", "transformer.layers.0.ff.ff.0"


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory, conversions: Conversions) -> dict[str, Path]:
    faults = [CATALOGUE[name] for name in (BROKEN, WRONG, "polarity")]
    return convert_all(faults, TINY_MODEL_DIR, tmp_path_factory.mktemp("converted"), lambda _: None, conversions)


@pytest.mark.faults
def test_only_faults_of_modules_are_converted(converted: dict[str, Path]) -> None:
    assert {name: path.name for name, path in converted.items()} == {BROKEN: "dit.tflite", WRONG: "dit.tflite"}


@pytest.mark.faults
@pytest.mark.parametrize("spoiled", ["litert_fp32", "litert_int8"])
def test_a_wrong_file_is_caught_and_the_module_named(
    judge: Judge, converted: dict[str, Path], tmp_path: Path, spoiled: str
) -> None:
    row = run_fault(Bench(judge=judge, model=TINY_MODEL_DIR, folder=tmp_path, converted=converted), CATALOGUE[WRONG], spoiled)
    assert row.file is not None
    assert row.blamed
    assert row.module == MODULE
    assert row.file.metrics == row.finding.metrics  # the file fails as what was added to the clean file's answers does


def test_a_file_that_fails_while_it_is_laid_out_is_told_in_one_sentence(
    bundles: Mapping[str, Bundle], conversions: Conversions, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It loads, and only then XNNPACK finds that it cannot prepare it in FP16."""
    converted = convert_all([CATALOGUE[BROKEN]], TINY_MODEL_DIR, tmp_path, lambda _: None, conversions)
    signature = bundles["fp32"].manifest.stages["dit"].signature
    with pytest.raises(InputError, match=r"guided_in_graph/dit.tflite: LiteRT cannot load it \(.*; convert it again"):
        LiteRTStage(converted[BROKEN], signature, compute="fp16")
    assert capfd.readouterr().err == ""
