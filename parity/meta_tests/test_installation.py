"""`make gate` and the GitHub Action install what a verdict needs and no more; nothing they run imports the rest."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("reference", "litert_pipeline", "parity", "fixtures")
# What only `make test` installs, by the name it is imported under.
TESTS_ONLY = {
    "alias_free_torch", "einops", "hypothesis", "local_attention", "model_explorer", "mypy", "pytest", "stable_audio_tools",
    "vector_quantize_pytorch",
}  # fmt: skip
# What tests alone import: folders, plugins of pytest.
OF_TESTS = ("meta_tests", "oracle", "plugins", "processes.py", "pytest_options.py", "pytest_entry.py")


def product_modules() -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if not path.name.startswith("test_") and not set(path.parts).intersection(OF_TESTS):
                yield path


def imported(text: str) -> set[str]:
    """Names of the packages a module imports, wherever in it."""
    nodes = list(ast.walk(ast.parse(text)))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return {name.partition(".")[0] for name in plain | {n.module or "" for n in nodes if isinstance(n, ast.ImportFrom)}}


def test_no_module_of_the_product_imports_what_only_tests_install() -> None:
    found = {path.relative_to(ROOT): imported(path.read_text(encoding="utf-8")) & TESTS_ONLY for path in product_modules()}
    assert found, "there are modules"
    assert not {str(path): names for path, names in found.items() if names}


def test_such_an_import_would_be_noticed() -> None:
    assert imported("def late():\n    from hypothesis import given\n    import einops.layers\n") & TESTS_ONLY == {
        "hypothesis",
        "einops",
    }


def recipe(target: str) -> str:
    """What make would run for a target in a fresh clone, with what it needs."""
    command = ["make", "--dry-run", "--always-make", "--directory", str(ROOT), target]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_verdict_installs_neither_tensorflow_nor_what_tests_need() -> None:
    told = recipe("gate")
    assert "'.[build]'" in told
    assert not re.search(r"tensorflow|onnx2tf|\.\[dev\]|stable-audio-tools", told)


def test_the_tests_install_all() -> None:
    told = recipe("test")
    assert all(words in told for words in ("'.[build]'", "'.[dev]'", "tensorflow", "stable-audio-tools"))


def test_the_action_installs_what_a_verdict_needs() -> None:
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    (target,) = re.findall(r"run: make (\S+)", text)
    assert "'.[build]'" in recipe(target)
    assert "'.[dev]'" not in recipe(target)
