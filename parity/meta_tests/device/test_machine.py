"""What a device is called and can do is read where it tells it itself."""

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from parity.device.record import start
from parity.device.record.cpu import AT_HWCAP, AT_HWCAP2, HWCAP2_BITS, HWCAP_BITS, arm_features, auxiliary, cpu, model
from parity.device.record.jobs import Job
from parity.device.record.machine import SLOWED, Throttling, machine, temperature_c
from parity.device.record.recorder import Pace
from parity.device.record.start import BLAS_THREADS, LEAST_PYTHON, MISSING, OLD
from parity.device.zipped import ROOT
from reference.spec.errors import EXIT_NOT_JUDGED

A76 = ["atomics", "fphp", "asimdhp", "asimddp"]
BIG_LITTLE = """processor\t: 0
model name\t: ARMv8 Processor rev 1 (v8l)
CPU implementer\t: 0x41
CPU part\t: 0xd05

processor\t: 1
CPU implementer\t: 0x41
CPU part\t: 0xd0b

processor\t: 2
CPU implementer\t: 0x51
CPU part\t: 0x001
"""
X86 = "processor\t: 0\nmodel name\t: AMD EPYC 9004\nflags\t: fma avx2\n\nprocessor\t: 1\nmodel name\t: AMD EPYC 9004\n"


def auxv(*pairs: tuple[int, int]) -> bytes:
    return b"".join(struct.pack("NN", *pair) for pair in (*pairs, (0, 0)))


def word(bits: dict[str, int], names: list[str]) -> int:
    return sum(1 << bits[name] for name in names)


def test_features_are_the_bits_of_the_two_words() -> None:
    every = [*HWCAP_BITS, *HWCAP2_BITS]
    assert arm_features(auxv((AT_HWCAP, word(HWCAP_BITS, A76)))) == A76
    both = auxv((AT_HWCAP2, word(HWCAP2_BITS, list(HWCAP2_BITS))), (AT_HWCAP, word(HWCAP_BITS, list(HWCAP_BITS))))
    assert arm_features(both) == every
    assert arm_features(b"") == []


def test_a_vector_that_was_cut_is_read_as_far_as_it_goes() -> None:
    whole = auxv((AT_HWCAP, 1), (AT_HWCAP2, 2))
    assert auxiliary(whole[:-3]) == {AT_HWCAP: 1, AT_HWCAP2: 2}


@pytest.mark.parametrize(("cpuinfo", "name"), [
    (BIG_LITTLE, "Cortex-A55, Cortex-A76, implementer 0x51 part 0x1"),
    (X86, "AMD EPYC 9004"),
], ids=["several Arm cores", "x86"])  # fmt: skip
def test_a_cpu_is_called_by_its_cores(tmp_path: Path, cpuinfo: str, name: str) -> None:
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    assert model(tmp_path / "cpuinfo") == name


def test_this_machine_tells_what_figures_need() -> None:
    found = machine()
    assert found["cpu"] == cpu()
    assert found["cpu"]["features"]
    assert found["versions"]["numpy"]
    assert found["versions"]["ai-edge-litert"]


def test_the_hottest_reading_counts(tmp_path: Path) -> None:
    for number, text in enumerate(("41000\n", "58500\n")):
        zone = tmp_path / f"class/thermal/thermal_zone{number}"
        zone.mkdir(parents=True)
        (zone / "temp").write_text(text)
    assert temperature_c(tmp_path) == 58.5


def test_a_clock_that_was_lowered_is_noticed() -> None:
    slow, fast = Throttling(first_s=1e9), Throttling(first_s=1e-9)
    assert slow.slowed() is None
    assert (fast.slowed() or 0) > SLOWED


def job(**calls: int) -> Job:
    return Job(name="job", run=dict, calls={name.replace("_", "/"): count for name, count in calls.items()})


def test_what_is_left_is_estimated_from_calls_of_the_same_stage() -> None:
    pace = Pace()
    assert pace.left_s([job(int8_dit=8)]) == 0.0
    pace.done(job(int8_dit=8), 4.0)
    pace.done(job(int8_decoder=1), 2.0)
    assert pace.left_s([job(int8_dit=2)]) == 1.0
    assert pace.left_s([job(int4_dit=2)]) == 1.0  # of another variant: as the stage's other ones
    assert pace.left_s([job(int8_encoder=9)]) == 6.0  # of a stage that was never asked: as all


def test_what_is_missing_is_told_in_one_sentence() -> None:
    assert OLD.format(3, 9) == "error: this is Python 3.9; LiteRT 2.3 needs 3.10 or newer\n"
    assert "python -m pip install" in MISSING
    assert LEAST_PYTHON == (3, 10)


def test_an_older_python_is_told_before_anything_is_imported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(start, "LEAST_PYTHON", (99, 0))
    with pytest.raises(SystemExit) as left:
        start.start()
    assert left.value.code == EXIT_NOT_JUDGED
    assert capsys.readouterr().err == OLD.format(*sys.version_info)


def test_a_package_that_is_missing_is_told_and_sums_are_not_shared_out(tmp_path: Path) -> None:
    """A numpy that stands in tells what was set before it was imported; LiteRT is not there."""
    told = f"import os, sys; print([os.environ.get(name) for name in {BLAS_THREADS}])"
    (tmp_path / "numpy.py").write_text(told)
    program = f"import sys; sys.path[:0] = {[str(tmp_path), str(ROOT)]}; from {start.__name__} import start; start()"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == EXIT_NOT_JUDGED
    assert done.stdout.strip() == str(["1"] * len(BLAS_THREADS))
    assert done.stderr.startswith("error: ai-edge-litert is not installed here (")
    assert done.stderr.count("\n") == 1
