"""The seeded tiny model of Stable Audio Open 1.0, its bundles and a judge of them, for all tests of this folder."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from conftest import OneAtATime
from fixtures.make_model import make_model
from litert_pipeline.build.conversions import Conversions
from litert_pipeline.bundle import Bundle
from parity.bundles.given import make_bundles
from parity.faults.bench import Bench
from parity.judge.judge import Judge
from parity.truth.store import Store

CONFIG = "open1-tiny"
# What `make test` judges: ONNX exports in a tenth of the time. `make gate-open1` judges LiteRT's as well.
QUICK = {"onnx_fp32", "onnx_int8"}


@pytest.fixture(scope="session")
def open1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model dir."""
    folder = tmp_path_factory.mktemp("open1") / CONFIG
    make_model(folder, CONFIG, seed=0)
    return folder


@pytest.fixture(scope="session")
def open1_bundles(
    open1: Path, tmp_path_factory: pytest.TempPathFactory, conversions: Conversions, one_at_a_time: OneAtATime
) -> Mapping[str, Bundle]:
    """Bundles by recipe."""
    with one_at_a_time(CONFIG):
        return make_bundles(open1, tmp_path_factory.mktemp("open1") / "bundles", QUICK, lambda _: None, conversions)


@pytest.fixture(scope="session")
def open1_judge(open1: Path, open1_bundles: Mapping[str, Bundle]) -> Iterator[Judge]:
    """A judge of them; truths and opened stages are shared by all tests."""
    with Judge.of(open1, open1_bundles.values(), store=Store.of_user()) as judge:
        yield judge


@pytest.fixture(scope="session")
def open1_bench(open1: Path, open1_judge: Judge, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The judge, ready for faults to be injected."""
    return Bench(judge=open1_judge, model=open1, folder=tmp_path_factory.mktemp("faults"))
