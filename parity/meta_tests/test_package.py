"""What is handed on, sdist and wheel, holds everything, and works where this repository is not: commands, tiny model, tests."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from litert_pipeline.bundle import Bundle
from parity.commands.pytest_entry import asks_for_us
from parity.meta_tests.docs import SCRIPTS
from parity.meta_tests.of_tiny import OF_TINY

pytestmark = pytest.mark.xdist_group("package")  # built once, not once in every process

ROOT = Path(__file__).parents[2]
PACKAGES = ("reference", "litert_pipeline", "parity", "fixtures")
BESIDE = ("pyproject.toml", "README.md", "LICENSE")
LOCKED = (3, 11)  # the Python that requirements.lock was written with
ONE_STEP = ("--seconds", "1", "--steps", "1")
PYTEST = ("-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:anyio", "-p", "no:cacheprovider")
FEW = ("-k", "decoder and litert_fp32 and teacher_forced", "--benchmark-disable")
NOT_SOURCE = shutil.ignore_patterns("__pycache__", "*.pyc", ".*_cache")


def run(*command: str | Path, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """A command in a folder, without what leads Python, or pytest, back to here."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST"))}
    return subprocess.run(
        list(map(str, command)), cwd=folder, env={**own, **more}, capture_output=True, text=True, check=False
    )


@dataclass(frozen=True, kw_only=True)
class Package:
    """A clean checkout, and what was built of it."""

    checkout: Path
    wheel: Path
    sdist: Path


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    folder = tmp_path_factory.mktemp("package")
    checkout = folder / "checkout"
    for name in PACKAGES:
        shutil.copytree(ROOT / name, checkout / name, ignore=NOT_SOURCE)
    for name in BESIDE:
        shutil.copy(ROOT / name, checkout / name)
    paths = os.pathsep.join(sys.path[1:])  # `build` itself may be installed anywhere
    command = (sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", checkout)
    done = run(*command, folder=folder, PYTHONPATH=paths)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,), (sdist,) = (folder / "dist").glob("*.whl"), (folder / "dist").glob("*.tar.gz")
    return Package(checkout=checkout, wheel=wheel, sdist=sdist)


def held(package: Package) -> set[str]:
    """All files of the packages, as the checkout has them."""
    files = (path for name in PACKAGES for path in (package.checkout / name).rglob("*") if path.is_file())
    return {path.relative_to(package.checkout).as_posix() for path in files if path.suffix != ".pyc" and path.name[0] != "."}


def test_the_wheel_holds_every_file_of_the_packages(package: Package) -> None:
    with zipfile.ZipFile(package.wheel) as wheel:
        assert held(package) - set(wheel.namelist()) == set()


def test_the_sdist_holds_them_too_and_what_a_wheel_is_built_with(package: Package) -> None:
    with tarfile.open(package.sdist) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert held(package) | set(BESIDE) <= names


def test_an_index_would_take_both(package: Package) -> None:
    paths = os.pathsep.join(sys.path[1:])
    command = (sys.executable, "-m", "twine", "check", "--strict", package.wheel, package.sdist)
    done = run(*command, folder=package.checkout, PYTHONPATH=paths)
    assert (done.returncode, done.stdout.count("PASSED")) == (0, 2), done.stdout + done.stderr


@dataclass(frozen=True, kw_only=True)
class Installed:
    """A fresh environment with the wheel in it. What it depends on is this environment's: it would take minutes to install again.

    That folder is given as a path alone, so that no pointer in it to this repository is followed.
    """

    bin: Path
    folder: Path

    def __call__(self, script: str, *arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
        return run(self.bin / script, *arguments, folder=self.folder, PYTHONPATH=sysconfig.get_path("purelib"), **more)


@pytest.fixture(scope="module")
def installed(package: Package, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    alone = ("-qq", "--no-compile", "--no-index", "--no-deps")
    for command in (
        (sys.executable, "-m", "venv", "--without-pip", folder / "venv"),
        (sys.executable, "-m", "pip", "--python", folder / "venv", "install", *alone, package.wheel),
    ):
        done = run(*command, folder=folder)
        assert done.returncode == 0, done.stderr
    (folder / "elsewhere").mkdir()
    return Installed(bin=folder / "venv" / "bin", folder=folder / "elsewhere")


def test_nothing_of_this_repository_is_imported(installed: Installed) -> None:
    places = ", ".join(f"{name}.__file__" for name in PACKAGES)
    done = installed("python", "-c", f"import {', '.join(PACKAGES)}; print({places})")
    assert done.stdout.count(str(installed.bin.parent)) == len(PACKAGES), done.stdout + done.stderr


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_console_script_tells_its_verbs(installed: Installed, script: str) -> None:
    done = installed(script, "--help")
    assert (done.returncode, "Usage" in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize(("words", "offered"), [
    ("stable-audio-parity ga", "gate"),
    ("stable-audio-parity gate --lat", "--latency"),
    ("stable-audio-reference codec enc", "encode"),
])  # fmt: skip
def test_a_shell_completes_verbs_and_options(installed: Installed, words: str, offered: str) -> None:
    script = words.partition(" ")[0]
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = installed(script, **asked, **{f"_{script.replace('-', '_').upper()}_COMPLETE": "complete_bash"})
    assert done.stdout.split() == [offered], done.stderr


def test_the_reference_generates_with_the_tiny_model_it_brings(installed: Installed, tmp_path: Path) -> None:
    done = installed("stable-audio-reference", "generate", "drums", *ONE_STEP, "--out", tmp_path / "a.wav")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.wav").stat().st_size > 0


def test_a_bundle_is_heard(installed: Installed, bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    folder = bundles["fp32"].folder
    done = installed("stable-audio-litert", "generate", "drums", *ONE_STEP, "--bundle", folder, "--out", tmp_path / "a.wav")
    assert done.returncode == 0, done.stderr


def test_the_product_s_tests_judge_a_bundle(installed: Installed, bundles: Mapping[str, Bundle]) -> None:
    asked = (*OF_TINY, "--bundle", bundles["fp32"].folder, "--variants", "litert_fp32", "--cases", "drums", "--draws", "0")
    done = installed("python", *PYTEST, "-W", "error::pytest.PytestUnknownMarkWarning", "--pyargs", "parity", *asked, *FEW)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_whoever_tests_something_else_sees_no_option_of_ours(installed: Installed) -> None:
    (installed.folder / "conftest.py").write_text("def pytest_addoption(parser):\n    parser.addoption('--bundle')\n")
    own = "def test_own(request):\n    assert request.config.getoption('--bundle') == 'x'\n"
    (installed.folder / "test_own.py").write_text(own)
    done = installed("python", *PYTEST, "--bundle", "x", "test_own.py")
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout + done.stderr


@pytest.mark.registry
def test_a_fresh_environment_judges_a_bundle(package: Package, bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    """With all that the wheel depends on, from the package registry: some 2 GB."""
    python, wheel = tmp_path / "venv" / "bin" / "python", f"{package.wheel}[judge,tests]"
    lock = ("-c", ROOT / "requirements.lock") if sys.version_info[:2] == LOCKED else ()
    asked = (*OF_TINY, "--bundle", bundles["fp32"].folder, "--variants", "litert_fp32", "--cases", "drums", "--draws", "0")
    for command in (
        (sys.executable, "-m", "venv", tmp_path / "venv"),
        (python, "-m", "pip", "install", "-qq", *lock, wheel),
        (python.with_name("stable-audio-parity"), "gate", *asked, "--report", tmp_path / "report"),
        (python, *PYTEST[:3], "--pyargs", "parity", *asked, *FEW),
    ):
        done = run(*command, folder=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("arguments", "ours"), [
    (("--pyargs", "parity"), True),
    (("-q", "--pyargs", "parity.test_latency::test_stage_latency", "--bundle", "b"), True),
    (("--pyargs", "parityless"), False),
    (("parity/",), False),
    (("-k", "parity"), False),
    ((), False),
], ids=str)  # fmt: skip
def test_which_runs_are_ours(arguments: tuple[str, ...], ours: bool) -> None:
    assert asks_for_us(arguments) == ours
