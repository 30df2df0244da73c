"""What is installed by job: every package that is imported is some extra's, and one that is missing is named with its extra."""

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from fixtures import TINY_MODEL_DIR
from litert_pipeline.build.conversions import Conversions
from litert_pipeline.build.installed import require_installed
from litert_pipeline.build.recipes import RECIPES
from litert_pipeline.extras import EXTRAS, missing_package
from parity.bundles.given import make_bundles
from parity.meta_tests.test_installation import ROOT, imported, product_modules
from parity.meta_tests.test_torch_free import WITHOUT_TORCH
from reference.spec.errors import EXIT_NOT_JUDGED, InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

IMPORTED_AS = {"py-cpuinfo": "cpuinfo", "pyyaml": "yaml"}  # where the name is another one
OF_OTHERS = {"litert_converter"}  # comes with another package
SINCE_3_11 = {"tomllib"}  # before, an extra has another by its name
OURS = ("parity", "litert_pipeline", "reference", "fixtures")
BROUGHT = {"flatbuffers", "google"}  # with LiteRT, and with onnx (protobuf)


def project() -> dict[str, Any]:
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"])


def packages(requirements: list[str]) -> set[str]:
    """What requirements install, as it is imported; extras of ours are left out."""
    names = {Requirement(text).name for text in requirements} - {"stable-audio-parity"}
    return {IMPORTED_AS.get(name, name.replace("-", "_").lower()) for name in names}


def test_every_package_that_is_imported_is_some_extra_s() -> None:
    own = packages(project()["dependencies"])
    found = {name for path in product_modules() for name in imported(path.read_text(encoding="utf-8"))}
    assert found - sys.stdlib_module_names - {*OURS, *SINCE_3_11, ""} - own - EXTRAS.keys() - BROUGHT == set()


NEWER = {  # modules and names that the oldest Python of the project lacks, which 'make pythons' would tell in the end
    "typing": {
        "LiteralString", "Never", "NotRequired", "Required", "Self", "Unpack", "assert_never", "assert_type", "override",
    },
    "enum": {"StrEnum"}, "datetime": {"UTC"}, "itertools": {"batched"}, "contextlib": {"chdir"},
}  # fmt: skip


def test_nothing_is_imported_that_the_oldest_python_lacks() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {node.module}.{name.name}"
        for path in product_modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        for name in node.names
        if name.name in NEWER.get(node.module or "", ())
    }
    assert found == set()


def test_extras_are_those_of_the_project() -> None:
    extras = project()["optional-dependencies"]
    told = {extra: {name for name, of in EXTRAS.items() if of == extra} - OF_OTHERS for extra in set(EXTRAS.values())}
    assert told == {extra: packages(extras[extra]) for extra in told}


TORCH = "torch is not installed here, which judging needs: python -m pip install 'stable-audio-parity[judge]'"
BUILD = "is not installed here, which converting and quantizing needs: python -m pip install 'stable-audio-parity[build]'"
NOWHERE = "there is no litert-converter for Linux on aarch64: convert on Linux with an x86-64 CPU or on a Mac, and judge"


@pytest.mark.parametrize(("module", "system", "machine", "words"), [
    ("torch.nn", "Linux", "x86_64", TORCH),
    ("litert_torch", "Linux", "x86_64", BUILD),
    ("litert_torch", "Darwin", "arm64", BUILD),
    ("litert_torch", "Linux", "aarch64", NOWHERE),
    ("litert_quantizer", "Linux", "aarch64", BUILD),
])  # fmt: skip
def test_what_is_missing_is_told_with_what_to_do(module: str, system: str, machine: str, words: str) -> None:
    assert words in (missing_package(module, system, machine) or "")


def test_of_a_package_that_is_nobody_s_nothing_is_told() -> None:
    assert missing_package("nonsense") is None


@pytest.mark.parametrize(("recipe", "package"), [
    ("fp32", "litert_torch"), ("windowed", "litert_converter"), ("onnx_fp32", "onnxscript"), ("int8", "litert_quantizer"),
])  # fmt: skip
def test_a_converter_that_is_not_installed_is_told_before_any_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, recipe: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    said: list[str] = []
    with pytest.raises(InputError, match=rf"{package} is not installed here, which converting and quantizing needs"):
        make_bundles(TINY_MODEL_DIR, tmp_path / "bundles", {recipe}, said.append, Conversions.inside(tmp_path / "cache"))
    assert said == []


def test_what_is_not_asked_for_need_not_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "litert_torch", None)
    require_installed([RECIPES["onnx_fp32"], RECIPES["int8"], RECIPES["onnx_int8"]])


def test_a_gate_without_torch_says_which_extra_has_it() -> None:
    run = f"{WITHOUT_TORCH}\nfrom parity.commands.app import app\napp(['gate'])"
    done = subprocess.run([sys.executable, "-c", run], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == EXIT_NOT_JUDGED
    assert "error: torch is not installed here, which judging needs" in done.stderr.replace("\n", " ")
