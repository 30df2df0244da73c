"""What has to work where torch does not exist is imported there, module by module."""

import pickle
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from parity.meta_tests.report.sample import sample

ROOT = Path(__file__).parents[2]
ROOMS = (
    "reference/spec", "litert_pipeline/run", "litert_pipeline/bundle.py", "litert_pipeline/binding.py",
    "litert_pipeline/versions.py", "parity/measure", "parity/runtimes", "parity/report", "parity/truth/store.py",
    "parity/commands/app.py", "parity/device/record", "parity/latency/kit_suite.py", "parity/latency/latencies.py",
    "fixtures/plugins/on_device.py", "conftest.py", "parity/commands/pytest_options.py", "parity/commands/pytest_entry.py",
    "parity/test_latency.py", "parity/test_kit.py",
)  # fmt: skip
BLOCKED = ("torch", "onnxruntime", "litert_torch", "litert_converter", "transformers")
OURS = ("reference", "litert_pipeline", "parity", "fixtures")
NEEDS = {"mlx_port": "mlx"}  # a room that a package has to be installed for, and which
WITHOUT_TORCH = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {BLOCKED}:
            raise ModuleNotFoundError(f"{{name}} is not there", name=name)

sys.meta_path.insert(0, Blocked())
"""
# Imports every module named on the command line afresh, and prints a line for each that cannot be.
IMPORTER = f"""{WITHOUT_TORCH}
import importlib
for module in sys.argv[1:]:
    for name in [name for name in sys.modules if name.split(".")[0] in {OURS}]:
        del sys.modules[name]
    try:
        importlib.import_module(module)
    except ImportError as error:
        print(module, error)
"""

WRITER = f"""{WITHOUT_TORCH}
import pickle
from pathlib import Path
from rich.console import Console
from parity.report.folder import write_report
from parity.report.terminal import show
report = pickle.loads(Path(sys.argv[1]).read_bytes())
write_report(report, Path(sys.argv[1]).parent)
show(report, Console())
"""


def modules(room: str) -> list[str]:
    path = ROOT / room
    files = [path] if path.suffix else [file for file in sorted(path.rglob("*.py")) if not file.name.startswith("test_")]
    files = [file for file in files if not _in_want(file)]
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]
    return [name.removesuffix(".__init__") for name in names]


def _in_want(file: Path) -> bool:
    """Whether a module needs what is not installed here, torch or not."""
    return any(room in file.parts and find_spec(package) is None for room, package in NEEDS.items())


def broken_imports(*names: str) -> dict[str, str]:
    """What went wrong by module, of those that cannot be imported without torch."""
    done = subprocess.run([sys.executable, "-c", IMPORTER, *names], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


@pytest.mark.parametrize("room", ROOMS)
def test_every_module_is_imported_without_torch(room: str) -> None:
    names = modules(room)
    assert names
    assert broken_imports(*names) == {}


def test_a_module_that_needs_torch_is_named() -> None:
    """The importer sees what it is there to see, and goes on behind it."""
    assert list(broken_imports("reference.pipeline", "reference.spec.audio", "parity.truth.precision")) == [
        "reference.pipeline",
        "parity.truth.precision",
    ]


def test_a_report_is_written_without_torch(tmp_path: Path) -> None:
    (tmp_path / "saved").write_bytes(pickle.dumps(sample()))
    command = [sys.executable, "-c", WRITER, tmp_path / "saved"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "PUBLISH" in done.stdout
    assert {"report.json", "report.html", "junit.xml", "parity-card.md", "overlays"} <= {path.name for path in tmp_path.iterdir()}
