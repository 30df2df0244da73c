"""Whether the extras can be installed on machines this is not: what pip would choose there, from the registry's metadata."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from parity.meta_tests.test_installation import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LINUX_ARM = "Linux on aarch64"
# What environment markers say there, which pip takes from the machine it runs on whatever --platform says; and its wheels.
TARGETS: Mapping[str, tuple[Mapping[str, str], tuple[str, ...]]] = {
    LINUX_ARM: (
        {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "aarch64"},
        ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"),
    ),
    "macOS on arm64": (
        {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"},
        ("macosx_14_0_arm64",),
    ),
}  # fmt: skip
PIP = """
import json, runpy, sys
import pip._vendor.packaging.markers as markers

here, there = markers.default_environment, json.loads(sys.argv.pop(1))
markers.default_environment = lambda: {**here(), **there}
runpy.run_module("pip", run_name="__main__")
"""


def requirements(*extras: str) -> Iterator[str]:
    """What the project and these extras ask for, extras within extras taken apart."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    waiting = [*project["dependencies"], *(text for extra in extras for text in project["optional-dependencies"][extra])]
    while waiting:
        text = waiting.pop()
        requirement = Requirement(text)
        if requirement.name == project["name"]:
            waiting += [text for extra in requirement.extras for text in project["optional-dependencies"][extra]]
        else:
            yield text


def resolved(target: str, folder: Path, *extras: str) -> dict[str, str]:
    """Versions by name of all that pip would install there, wheels alone. Raises CalledProcessError where it finds no way."""
    markers, tags = TARGETS[target]
    platforms = [word for tag in tags for word in ("--platform", tag)]
    command = [
        sys.executable, "-c", PIP, json.dumps(markers), "install", "--dry-run", "--ignore-installed", "--quiet", "--report",
        folder / "report.json", "--target", folder / "target", "--only-binary", ":all:", "--python-version", "3.11",
        "--implementation", "cp", "--constraint", ROOT / "requirements.lock", *platforms, *requirements(*extras),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return {entry["metadata"]["name"].lower().replace("_", "-"): entry["metadata"]["version"] for entry in report["install"]}


@pytest.fixture(scope="module")
def registry() -> None:
    """Skips where no registry is reached."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", "/dev/null", "iniconfig==0"]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    if "from versions: none" in told:
        pytest.skip("no package registry is reached from here")


@pytest.mark.registry
@pytest.mark.parametrize("target", TARGETS)
def test_judging_can_be_installed(registry: None, target: str, tmp_path: Path) -> None:
    found = resolved(target, tmp_path, "judge")
    assert found["torch"] == ("2.8.0" if target == LINUX_ARM else "2.13.0")
    assert not [name for name in found if name.startswith(("nvidia", "cuda", "triton"))]
    assert {"ai-edge-litert", "onnxruntime", "scipy", "sentencepiece"} <= found.keys()


@pytest.mark.registry
@pytest.mark.parametrize("target", TARGETS)
def test_building_can_be_installed_so_far_as_there_is_a_converter(registry: None, target: str, tmp_path: Path) -> None:
    found = resolved(target, tmp_path, "build")
    assert ("litert-converter" in found) == (target != LINUX_ARM)
    assert "litert-quantizer" in found


def test_extras_within_extras_are_taken_apart() -> None:
    names = {Requirement(text).name for text in requirements("build")}
    assert {"numpy", "ai-edge-litert", "torch", "litert-torch"} <= names
    assert "stable-audio-parity" not in names
