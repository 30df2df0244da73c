"""`pytest parity/ --kit kit`, where nothing is installed but the extra `run`, pytest and pytest-benchmark."""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from parity.device.record import open_part
from parity.device.record.kit import read_kit
from parity.device.record.live import Device
from parity.device.record.open_part import OpenParts
from parity.device.record.plan import Variant
from parity.latency.bench_page import markdown
from parity.latency.bench_report import read_benches
from parity.meta_tests.device.kits import VARIANT, Run
from reference.spec.generation import Stage
from reference.spec.stages import ALL_STAGES
from reference.spec.tensors import Array, Tensors

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

pytestmark = pytest.mark.xdist_group("kit")  # packed once, not once in every process

ROOT = Path(__file__).parents[3]
OURS = ("parity", "litert_pipeline", "reference", "fixtures", "conftest")
TOOLS = ("pytest", "pytest-benchmark")
GROWTH = 1e-3  # far beyond rounding
ALONE = ("-q", "-p", "pytest_benchmark.plugin")
# Imports nothing but the standard library, this project and the packages named on the command line before `--`.
RUNNER = f"""
import sys

end = sys.argv.index("--")
allowed = {{*{OURS}, *sys.argv[1:end], *sys.stdlib_module_names}}

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in allowed and not name.partition(".")[0].startswith(("test_", "__editable__")):
            raise ModuleNotFoundError(f"{{name}} is not there", name=name)

sys.meta_path.insert(0, Blocked())
import pytest
sys.exit(pytest.main(sys.argv[end + 1:]))
"""


def normal(name: str) -> str:
    return name.lower().replace("_", "-")


def closure(wanted: Iterable[str]) -> set[str]:
    """The distributions of these requirements and of all that they require, on this machine."""
    found: set[str] = set()
    waiting = [(Requirement(text), "") for text in wanted]
    while waiting:
        requirement, extra = waiting.pop()
        name = normal(requirement.name)
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": extra})):
            continue
        try:
            required = requires(name) or []
        except PackageNotFoundError:  # for other systems
            continue
        found.add(name)
        waiting += [(Requirement(text), "") for text in required]
    return found


def device_packages() -> Iterator[str]:
    """What can be imported on a device, by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    distributions = closure([*project["dependencies"], *project["optional-dependencies"]["run"], *TOOLS])
    return (name for name, of in packages_distributions().items() if distributions & set(map(normal, of)))


@dataclass(frozen=True)
class DevicePytest:
    """Runs pytest as on a device."""

    packages: tuple[str, ...]

    def __call__(self, *arguments: str | Path) -> Run:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        command = [sys.executable, "-c", RUNNER, *self.packages, "--", *ALONE, *map(str, arguments)]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        return Run(code=done.returncode, out=done.stdout, errors=done.stderr)


@pytest.fixture(scope="module")
def device_pytest() -> DevicePytest:
    packages = tuple(device_packages())
    assert {"numpy", "ai_edge_litert", "pytest", "pytest_benchmark"} <= set(packages)
    assert not {"torch", "onnxruntime", "scipy", "psutil", "jinja2", "matplotlib"} & set(packages)
    return DevicePytest(packages=packages)


def test_a_right_bundle_is_timed_and_judged_in_one_run(device_pytest: DevicePytest, kit: Path, tmp_path: Path) -> None:
    """With the file that `bench-report` reads."""
    found = tmp_path / "device.json"
    run = device_pytest("parity/", "--kit", kit, "--threads", "2", f"--benchmark-json={found}")
    assert run.code == pytest.ExitCode.OK, run.out[-3000:] + run.errors
    benches = read_benches(found)
    timed = {"end to end", *ALL_STAGES, *(f"opening {stage}" for stage in ALL_STAGES)}
    assert {(bench.stage, bench.threads) for bench in benches} == {(what, 2) for what in timed}
    assert {bench.variant for bench in benches} == {bench.yardstick for bench in benches} == {VARIANT}
    assert all(bench.peak_bytes for bench in benches if bench.stage in ALL_STAGES)
    assert VARIANT in markdown(benches)


def test_a_damaged_file_fails_and_is_named(device_pytest: DevicePytest, damaged: tuple[Path, Run]) -> None:
    chosen = ("-k", "dit and (teacher or stage_latency)", "--threads", "1", "--benchmark-disable")
    run = device_pytest("parity/", "--kit", damaged[0].parent / "kit", *chosen)
    assert run.code == pytest.ExitCode.TESTS_FAILED, run.out[-3000:] + run.errors
    failed = [line for line in run.out.splitlines() if line.startswith("FAILED")]
    assert {line.partition("::")[2].partition("[")[0] for line in failed} == {"test_teacher_forced", "test_stage_latency"}
    assert f"dit/{VARIANT}/drums step 0, teacher-forced: denoised_error is" in run.out


@pytest.mark.parametrize(("arguments", "words"), [
    (("--kit", "no/such/kit"), "no/such/kit/manifest.json: cannot be read"),
    (("--kit", "KIT", "--bundle", "b"), "--bundle has no effect with --kit, which has its own; leave it out"),
    (("--kit", "KIT", "--variants", "litert_int9"), "variant 'litert_int9' is not in the kit; it has litert_int8"),
    ((), "which judging needs: python -m pip install 'stable-audio-parity[judge]'; on a device give --kit"),
], ids=["no kit", "a bundle beside it", "unknown variant", "no kit is given"])  # fmt: skip
def test_bad_options_are_one_line(device_pytest: DevicePytest, kit: Path, arguments: tuple[str, ...], words: str) -> None:
    run = device_pytest("parity/", "--collect-only", *(str(kit) if word == "KIT" else word for word in arguments))
    assert run.code == pytest.ExitCode.USAGE_ERROR, run.out + run.errors
    (error,) = (line for line in (run.out + run.errors).splitlines() if line.startswith("ERROR"))
    assert words in error


class Unsteady:
    """Stages each of whose answers is a little larger than the one before."""

    def __init__(self, parts: OpenParts) -> None:
        self.parts, self.calls = parts, 0

    def stage(self, variant: Variant, stage: str, threads: int) -> Stage:
        run = self.parts.stage(variant, stage, threads)

        def grown(feed: Mapping[str, Array]) -> Tensors:
            self.calls += 1
            return {name: array * (1 + GROWTH * self.calls) for name, array in run(feed).items()}

        return grown


@pytest.mark.parametrize("steady", [True, False])
def test_a_stage_that_does_not_repeat_itself_is_beyond_its_limit(kit: Path, steady: bool) -> None:
    opened = read_kit(kit)
    parts, part = OpenParts(kit=opened), opened.plan.variant(VARIANT).part("conditioner")
    device = Device(kit=opened, parts=parts if steady else Unsteady(parts))
    (verdict,) = device.on(1).of_repeats(VARIANT, part)
    assert verdict.ok == steady
    parts.held.close()


def test_files_that_do_not_fit_into_memory_together_are_timed_one_by_one(kit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = OpenParts(kit=read_kit(kit))
    variant = parts.kit.plan.variant(VARIANT)
    assert parts.in_turns([variant, variant], "dit") == [[variant, variant]]
    monkeypatch.setattr(open_part, "RACE_BYTES", 1)
    assert parts.in_turns([variant, variant], "dit") == [[variant], [variant]]
