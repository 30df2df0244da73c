"""Command-line options, and which of the two worlds a run is in: with the model, or on a device with but a kit.

Imports nothing that a device lacks: torch and all that needs it is behind the plugins of `WITH_MODEL`.
"""

import argparse
from pathlib import Path

import pytest

from fixtures import EMBEDDED_MODEL_DIR, TINY_MODEL_DIR
from litert_pipeline.extras import missing_package
from parity.commands.selection import STAGE_KEYWORD, spelled_out
from reference import command
from reference.spec.errors import InputError
from reference.spec.paths import given_path

OF_BUNDLES = ("fixtures.plugins.made_elsewhere", "fixtures.plugins.codec_bundles")
WITH_MODEL = ("fixtures.processes", "fixtures.plugins.with_model", *OF_BUNDLES)
ON_DEVICE = ("fixtures.plugins.on_device",)
PARITY = Path(__file__).parents[1]
META_TESTS = PARITY / "meta_tests"
OF_KITS = PARITY / "test_kit.py"  # what a kit answers in the place of the other product's tests
OF_BOTH = (OF_KITS, PARITY / "test_latency.py")
SLOW = "slow_runtime"
MARKERS = {  # of the product's tests: outside of this repository no file says so
    SLOW: "the product's test of a runtime that is slow here; run where its variant is asked for",
    "xdist_group": "tests that share a process",
    "quick": "converts nothing",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("parity")
    group.addoption(
        "--model", type=given_path, help="model dir; by default the embedded one, and without --bundle the tiny seeded one"
    )
    group.addoption("--bundle", type=given_path, action="append", default=[], help="bundle to judge; repeatable")
    kit = "on a device: the kit that 'python -m parity pack' wrote, in the place of all these"
    group.addoption("--kit", type=given_path, help=kit)
    models = "folder with the kit's bundles by name, where it was packed with --no-models"
    group.addoption("--models", type=given_path, help=models)
    group.addoption("--variants", help="variants to judge, comma-separated; all by default")
    group.addoption("--cases", help="cases to judge, comma-separated; all by default")
    group.addoption("--draws", type=int, help="inputs drawn for each stage over all they may be, as for the gate")
    group.addoption("--seed", type=int, default=0, help="seed of what is drawn")
    group.addoption("--policy", help="how close is close enough: a name or a TOML file, as for the gate")
    group.addoption(
        "--threads", type=thread_counts, help="CPU threads of every runtime, 1 or the kit's; latency takes several: 1,2,4"
    )


def thread_counts(text: str) -> tuple[int, ...]:
    """Numbers of threads, comma-separated, as argparse wants them."""
    try:
        return command.thread_counts(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def pytest_configure(config: pytest.Config) -> None:
    config.option.keyword = spelled_out(config.option.keyword)
    config.option.model = config.option.model or (EMBEDDED_MODEL_DIR if config.option.bundle else TINY_MODEL_DIR)
    config.option.markexpr = config.option.markexpr or f"not {SLOW}"
    for name, about in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {about}")
    for plugin in WITH_MODEL if config.getoption("--kit") is None else ON_DEVICE:
        try:
            config.pluginmanager.import_plugin(plugin)
        except ImportError as error:
            missing = missing_package(getattr(error.__cause__, "name", None) or "")
            if missing is None:
                raise
            raise pytest.UsageError(f"{missing}; on a device give --kit") from None


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Tests of the gate itself are collected where they are asked for; `pytest parity/` means the product's, and of those a kit
    answers its own."""
    if config.getoption("--kit") is not None:
        others = collection_path.suffix == ".py" or collection_path.parent == PARITY
        return True if others and collection_path not in OF_BOTH else None
    asked = [_place(argument.partition("::")[0], config) for argument in config.args]
    wanted = any(path == META_TESTS or META_TESTS in path.parents for path in asked)
    return True if collection_path == OF_KITS or (collection_path == META_TESTS and not wanted) else None


def _place(argument: str, config: pytest.Config) -> Path:
    """Where an argument points to: a path, or with --pyargs a module of this package."""
    package, *inside = argument.split(".")
    if config.option.pyargs and package == PARITY.name:
        return PARITY.joinpath(*inside)
    return Path(config.invocation_params.dir, argument).resolve()


def pytest_itemcollected(item: pytest.Item) -> None:
    stage = item.callspec.params.get("stage") if isinstance(item, pytest.Function) and hasattr(item, "callspec") else None
    if stage is not None:
        item.extra_keyword_matches.add(f"{STAGE_KEYWORD}{stage}")
