"""The seeded tiny model of Stable Audio Open 1.0, judges of it and of its bundles, for all tests of this folder."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from fixtures.alone import OneAtATime
from fixtures.make_model import make_model
from litert_pipeline.build.conversions import Conversions
from litert_pipeline.bundle import Bundle
from parity.bundles.given import make_bundles
from parity.faults.bench import Bench
from parity.judge.judge import Judge
from parity.truth.store import Store

CONFIG = "open1-tiny"
RECIPES = {"fp32", "int8", "onnx_fp32", "onnx_int8"}
MLX_RECIPES = {"mlx_fp32", "mlx_fp16", "mlx_int8", "mlx_int4"}


@pytest.fixture(scope="session")
def open1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model dir."""
    folder = tmp_path_factory.mktemp("open1") / CONFIG
    make_model(folder, CONFIG, seed=0)
    return folder


@pytest.fixture(scope="session")
def open1_judge(open1: Path, own_cache: None) -> Iterator[Judge]:
    """A judge of the model dir alone: nothing is converted for it."""
    with Judge.of(open1, [], store=Store.of_user()) as judge:
        yield judge


@pytest.fixture(scope="session")
def open1_bench(open1: Path, open1_judge: Judge, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The same, ready for faults to be injected."""
    return Bench(judge=open1_judge, model=open1, folder=tmp_path_factory.mktemp("faults"))


@pytest.fixture(scope="session")
def open1_bundles(
    open1: Path, tmp_path_factory: pytest.TempPathFactory, conversions: Conversions, one_at_a_time: OneAtATime
) -> Mapping[str, Bundle]:
    """Bundles by recipe; they take a minute or two."""
    with one_at_a_time(CONFIG):
        return make_bundles(open1, tmp_path_factory.mktemp("open1") / "bundles", RECIPES, lambda _: None, conversions)


@pytest.fixture(scope="session")
def open1_mlx(open1: Path, tmp_path_factory: pytest.TempPathFactory, conversions: Conversions) -> Mapping[str, Bundle]:
    """Those of MLX, which are written in seconds; for tests that are skipped where it is not installed."""
    return make_bundles(open1, tmp_path_factory.mktemp("open1") / "mlx", MLX_RECIPES, lambda _: None, conversions)


@pytest.fixture(scope="session")
def open1_files(
    open1: Path, open1_judge: Judge, open1_bundles: Mapping[str, Bundle], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    """A judge of the bundles, ready for faults to be injected."""
    with open1_judge.of_others(open1_bundles.values()) as judge:
        yield Bench(judge=judge, model=open1, folder=tmp_path_factory.mktemp("faults"))
