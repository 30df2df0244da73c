"""A bundle made elsewhere in a kit: it has no manifest, so the kit says how its files are fed."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path

import pytest

from fixtures import TINY_MODEL_DIR
from litert_pipeline.bundle import MANIFEST_NAME
from litert_pipeline.described import described, manifest_of
from parity.bundles.foreign import read_foreign
from parity.device.pack import PackOptions, pack
from parity.device.record.kit import BUNDLES, read_kit
from parity.judge_answers import AnswersOptions, run_judge_answers
from parity.measure.policy_file import chosen_policy
from parity.measure.sweep import Sweep
from parity.meta_tests.device.kits import CASE, DRAWS, run_recorder
from parity.truth.store import Store
from reference.spec.errors import EXIT_OK
from reference.spec.stages import ALL_STAGES

VARIANT = "litert_fp32"


@pytest.fixture(scope="module")
def foreign_kit(
    drawing: Path, tmp_path_factory: pytest.TempPathFactory, one_at_a_time: Callable[[str], AbstractContextManager[None]]
) -> Path:
    """Of files with positional arguments and an encoder that draws its noise itself."""
    folder = tmp_path_factory.mktemp("foreign") / "kit"
    options = PackOptions(
        model=TINY_MODEL_DIR, bundles=[drawing], out=folder, variants=[VARIANT], cases=[CASE], threads=(1,), rounds=0,
        models=True, force=False, sweep=Sweep(draws=DRAWS),
    )  # fmt: skip
    with one_at_a_time("kit"):
        pack(options, Store.of_user(), lambda _: None)
    return folder


def test_what_is_known_of_it_survives_the_file(foreign_kit: Path, drawing: Path) -> None:
    (bundle,) = read_kit(foreign_kit).bundles.values()
    expected = read_foreign(drawing, TINY_MODEL_DIR).manifest
    assert bundle.manifest == expected == manifest_of(described(expected))
    assert not (bundle.folder / MANIFEST_NAME).exists()


def test_it_is_recorded_and_judged_like_one_of_ours(foreign_kit: Path, tmp_path: Path) -> None:
    run = run_recorder(foreign_kit, tmp_path / "answers")
    assert run.code == EXIT_OK, run.out + run.errors
    (bundle,) = (foreign_kit / BUNDLES).iterdir()
    options = AnswersOptions(
        answers=[tmp_path / "answers"], model=TINY_MODEL_DIR, bundles=[bundle], report=None, force=False,
        policy=chosen_policy(None, date(2026, 11, 27), made_here=False),
    )  # fmt: skip
    report = run_judge_answers(options, Store.of_user(), lambda _: None, lambda _: None)
    assert report.publish
    assert {check.stage for check in report.checks if check.variant == VARIANT} >= set(ALL_STAGES)
    assert any("number for number" in note for note in report.devices[0].notes)
