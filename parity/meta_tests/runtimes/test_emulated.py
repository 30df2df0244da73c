"""On an x86 CPU without VNNI, emulated, ONNX Runtime overflows; the test of the kernels sees it and the option cures it."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from litert_pipeline.bundle import Bundle
from parity.device.apt import EmulatorError
from parity.device.emulator import WITHOUT_FP16, WITHOUT_VNNI, emulated_environment, emulator_folder, installed, on_x86
from parity.judge.judge import Judge
from parity.measure.arithmetic import FLOAT32_KERNELS, HALF_AND_FLOAT
from parity.measure.cases import Case, load_cases
from parity.runtimes.host import LITERT, ONNXRUNTIME
from reference.spec.stages import DIT, STAGE_TABLE
from reference.spec.tensors import Array

VARIANT = "onnx_int8"
pytestmark = pytest.mark.emulated


@dataclass(frozen=True, kw_only=True)
class Emulated:
    """What the emulated CPU said of its kernels, and its answers of the INT8 DiT by how the session was opened."""

    kernels: Mapping[str, Any]
    answers: Mapping[str, Array]
    case: Case


def run_on(cpu: str, *arguments: str) -> str:
    """What this Python prints on an emulated CPU; skips the test where that cannot be had."""
    if not installed(emulator_folder()):
        pytest.skip("no emulator; 'make emulator' fetches it, or says why it cannot be had")
    try:
        command = on_x86(cpu, arguments, emulator_folder())
    except EmulatorError as error:
        pytest.skip(str(error))
    done = subprocess.run(command, env=emulated_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def emulated(judge: Judge, bundles: Mapping[str, Bundle], tmp_path_factory: pytest.TempPathFactory) -> Emulated:
    """One emulated process: starting it takes longer than what it does."""
    case = load_cases(judge.model.tokenizer, judge.model.spec, ["drums"])[0]
    truth, row = judge.truth(case), STAGE_TABLE[DIT]
    folder = tmp_path_factory.mktemp("emulated")
    feeds = {f"{call}/{name}": array for call in range(row.calls(truth)) for name, array in row.feed(truth, call).items()}
    np.savez(folder / "feeds.npz", **feeds)
    files = [folder / "feeds.npz", bundles[VARIANT].path(DIT), folder / "out.npz"]
    printed = run_on(WITHOUT_VNNI, "-m", "parity.meta_tests.runtimes.emulated", *map(str, files))
    return Emulated(kernels=json.loads(printed), answers=dict(np.load(folder / "out.npz")), case=case)


def test_the_overflow_is_seen_and_cured(emulated: Emulated) -> None:
    found = emulated.kernels[ONNXRUNTIME]
    assert found["wrong"] > 0
    assert found["wrong_with_option"] == 0
    assert "told to multiply exactly it gets all of them right" in found["sentence"]


def test_litert_multiplies_right_there(emulated: Emulated) -> None:
    assert emulated.kernels[LITERT]["wrong"] == 0


# Whether the judge takes the emulated CPU's answers, by how the session was opened.
@pytest.mark.parametrize(("session", "ok"), [("plain", False), ("ours", True)], ids=["as it comes", "as we open it"])
def test_the_int8_dit_is_judged_right_where_it_is_run_right(
    emulated: Emulated, judge: Judge, session: str, ok: bool
) -> None:
    answers = [{"velocity": velocity} for velocity in emulated.answers[session]]
    verdicts = judge.held(DIT, VARIANT, emulated.case, answers)
    assert all(verdict.ok for verdict in verdicts) == ok, "\n".join(map(str, verdicts))


# CPUs, and what each does where it is asked for FP16 compute.
HALF = {WITHOUT_FP16: FLOAT32_KERNELS, WITHOUT_VNNI: HALF_AND_FLOAT}


@pytest.mark.parametrize("cpu", HALF)
def test_fp16_compute_is_recognised_there(cpu: str) -> None:
    printed = run_on(cpu, "-c", "from parity.runtimes.host import half_compute; print(half_compute().kind)")
    assert printed.strip() == HALF[cpu]
