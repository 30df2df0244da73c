"""One Arm CPU of the matrix in every run of the tests: a conditioner and a damaged INT8 DiT, by LiteRT's SME2 kernels."""

import subprocess
from pathlib import Path

import pytest

from litert_pipeline.run.arm_cpu import ACCELERATOR
from parity.arm_matrix import without_atomics
from parity.device.arm_python import arm_environment, arm_folder, arm_installed, on_arm
from parity.device.record.answers import read_answers
from parity.device.record.journal import JUDGED, KIT
from parity.device.record.kit import RECORDER
from parity.measure.arithmetic import HALF_AND_FLOAT
from parity.meta_tests.device.kits import changed_kit, grown_scales
from reference.spec.errors import EXIT_REFUSE
from reference.spec.stages import CONDITIONER, DIT

pytestmark = pytest.mark.emulated
SME2, SME2_VECTOR_BYTES = "sme2-512", 64


@pytest.fixture(autouse=True, scope="module")
def emulator() -> None:
    if not arm_installed(arm_folder()):
        pytest.skip("no Arm emulator; 'make emulator' fetches it, or says why it cannot be had")


def test_a_cpu_with_sme2_records_and_judges_on_the_spot(kit: Path, tmp_path: Path) -> None:
    damaged, out = changed_kit(kit, tmp_path / "kit", grown_scales, [CONDITIONER, DIT]), tmp_path / "answers"
    command, environment = on_arm([str(damaged / RECORDER), "--out", str(out)], arm_folder()), arm_environment(SME2, arm_folder())
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == EXIT_REFUSE, done.stderr
    journal = read_answers(out).journal
    ((machine, halves),) = [(entry["machine"], entry["halves"]) for entry in journal.of(KIT)]
    assert {"sme2", "i8mm"} <= set(machine["cpu"]["features"])
    assert machine["cpu"]["vector_bytes"]["sme"] == SME2_VECTOR_BYTES
    assert halves["kind"] == HALF_AND_FLOAT
    (judged,) = journal.of(JUDGED)
    failed = {check["stage"] for check in judged["checks"] if not check["ok"]}
    assert {check["stage"] for check in judged["checks"]} == {CONDITIONER, DIT}
    assert failed == {DIT}


def test_a_cpu_of_armv8_0_is_told_before_anything_is_opened(kit: Path) -> None:
    said = without_atomics(kit)
    assert ACCELERATOR in said
    assert "--runtime interpreter" in said
