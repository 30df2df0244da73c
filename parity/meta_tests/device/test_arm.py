"""Arm CPUs of the matrix in every run of the tests: on one with half sums what is offered for it; by SME2 kernels a conditioner
and a damaged INT8 DiT; a codec in FP16 on both."""

import json
import subprocess
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixtures import TINY_MODEL_DIR
from litert_pipeline.bundle import Bundle
from litert_pipeline.run.arm_cpu import ACCELERATOR
from parity.arm.matrix import REPEATS, SWEEP, without_atomics
from parity.device.arm_python import arm_environment, arm_folder, arm_installed, on_arm
from parity.device.pack import PackOptions, pack
from parity.device.record.answers import read_answers
from parity.device.record.journal import JUDGED, KIT, Journal
from parity.device.record.kit import RECORDER
from parity.device.record.plan import MANIFEST, read_plan, write_plan
from parity.measure.arithmetic import HALF_AND_FLOAT, HALF_AND_HALF
from parity.meta_tests.device.kits import CASE, changed_kit, grown_scales
from parity.meta_tests.more import few
from parity.truth.store import Store
from reference.spec.errors import EXIT_OK, EXIT_REFUSE
from reference.spec.stages import CODEC_STAGES, CONDITIONER, DECODER, DIT, ENCODER

pytestmark = pytest.mark.emulated
SME2, SME2_VECTOR_BYTES = "sme2-512", 64
HALF_SUMS = "neoverse-n2"
RECIPES = ("fp32", "int8", "int8_fast")
# What takes most of the time, FP16 above all, is for `make more`; `make arm` asks all of it.
OFFERED = {
    "small": {"litert_fp32": (CONDITIONER, DIT), "litert_int8": (DIT,), "litert_int8_fast": (DECODER,)},
    "large": {"litert_fp32": (DECODER, ENCODER), "litert_fp16": (DECODER,)},
}
# Prints by stage how many values of an FP16 answer to noise are not finite; its arguments are a recorder and a bundle.
CODEC = """
import json, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import numpy as np
from litert_pipeline.bundle import read_bundle
from litert_pipeline.run.pipeline import open_stage
bundle, rng, found = read_bundle(Path(sys.argv[2])), np.random.default_rng(0), {}
for stage, entry in bundle.manifest.stages.items():
    feed = {port.name: rng.standard_normal(port.shape).astype(np.float32) for port in entry.signature.inputs}
    with open_stage(bundle, stage, compute="fp16") as run:
        found[stage] = sum(int((~np.isfinite(answer)).sum()) for answer in run(feed).values())
print(json.dumps(found))
"""


@dataclass(frozen=True, kw_only=True)
class Kit:
    """A kit's folder, and the (contender, stage) that it asks."""

    folder: Path
    wanted: set[tuple[str, str]]


@pytest.fixture(autouse=True, scope="module")
def emulator() -> None:
    if not arm_installed(arm_folder()):
        pytest.skip("no Arm emulator; 'make emulator' fetches it, or says why it cannot be had")


def recorded(kit: Path, out: Path, cpu: str) -> tuple[int, Journal]:
    """The exit code of a kit's recorder on a CPU, and its journal."""
    command = on_arm([str(kit / RECORDER), "--out", str(out)], arm_folder())
    done = subprocess.run(command, env=arm_environment(cpu, arm_folder()), capture_output=True, text=True, check=False)
    assert out.is_dir(), done.stderr
    return done.returncode, read_answers(out).journal


@pytest.fixture(scope="module", params=few(OFFERED, ["small"]))
def offered(
    request: pytest.FixtureRequest, bundles: Mapping[str, Bundle], tmp_path_factory: pytest.TempPathFactory,
    one_at_a_time: Callable[[str], AbstractContextManager[None]],
) -> Kit:  # fmt: skip
    """A kit of some of `OFFERED`."""
    wanted, folder = OFFERED[request.param], tmp_path_factory.mktemp("arm") / "kit"
    options = PackOptions(
        model=TINY_MODEL_DIR, bundles=[bundles[name].folder for name in RECIPES], out=folder, variants=list(wanted),
        cases=[CASE], threads=(1,), rounds=0, models=True, force=False, sweep=SWEEP, repeats=REPEATS, generations=False,
    )  # fmt: skip
    with one_at_a_time("kit"):
        pack(options, Store.of_user(), lambda _: None)
    write_plan(read_plan(folder / MANIFEST)[1].only(wanted), folder)
    return Kit(folder=folder, wanted={(variant, stage) for variant, stages in wanted.items() for stage in stages})


def test_what_is_offered_is_within_its_limits_on_a_cpu_with_half_sums(offered: Kit, tmp_path: Path) -> None:
    code, journal = recorded(offered.folder, tmp_path / "answers", HALF_SUMS)
    (told,) = journal.of(KIT)
    assert {"fphp", "asimdhp", "i8mm"} <= set(told["machine"]["cpu"]["features"])
    assert told["halves"]["kind"] == HALF_AND_HALF
    (judged,) = journal.of(JUDGED)
    assert {(one["variant"], one["stage"]) for one in judged["checks"]} == offered.wanted
    assert [one["id"] for one in judged["checks"] if not one["ok"]] == []
    assert code == EXIT_OK


def test_a_cpu_with_sme2_records_and_judges_on_the_spot(kit: Path, tmp_path: Path) -> None:
    damaged = changed_kit(kit, tmp_path / "kit", grown_scales, [CONDITIONER, DIT])
    code, journal = recorded(damaged, tmp_path / "answers", SME2)
    assert code == EXIT_REFUSE
    ((machine, halves),) = [(entry["machine"], entry["halves"]) for entry in journal.of(KIT)]
    assert {"sme2", "i8mm"} <= set(machine["cpu"]["features"])
    assert machine["cpu"]["vector_bytes"]["sme"] == SME2_VECTOR_BYTES
    assert halves["kind"] == HALF_AND_FLOAT
    (judged,) = journal.of(JUDGED)
    failed = {check["stage"] for check in judged["checks"] if not check["ok"]}
    assert {check["stage"] for check in judged["checks"]} == {CONDITIONER, DIT}
    assert failed == {DIT}


@pytest.mark.parametrize("cpu", few([HALF_SUMS, SME2], [HALF_SUMS]))
def test_a_codec_is_finite_in_fp16(kit: Path, codec_folder: Path, cpu: str) -> None:
    command = on_arm(["-c", CODEC, str(kit / RECORDER), str(codec_folder / "bundles/fp32")], arm_folder())
    done = subprocess.run(command, env=arm_environment(cpu, arm_folder()), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == dict.fromkeys(CODEC_STAGES, 0)


def test_a_cpu_of_armv8_0_is_told_before_anything_is_opened(kit: Path) -> None:
    said = without_atomics(kit)
    assert ACCELERATOR in said
    assert "--runtime interpreter" in said
