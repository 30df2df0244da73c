"""Values in slices: every one is right, each slice is fetched once per pass, and localisation does not depend on them."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from litert_pipeline.build.stage import as_converted
from litert_pipeline.bundle import Bundle
from parity.explain.inside.graphs import OPENERS
from parity.explain.inside.localize import localize
from parity.explain.inside.slices import VALUE_BYTES, Sliced
from parity.judge.judge import Judge
from parity.measure.teacher_forcing import stage_feed
from parity.meta_tests.more import few
from parity.test_parity import case_called

SLICE_BYTES = {"conditioner": 40_000, "dit": 40_000, "decoder": 4_000_000}  # several slices of each
FILES = {f"{stage}-{recipe}": (stage, recipe) for stage in SLICE_BYTES for recipe in ("fp32", "onnx_fp32", "int8")}
KEPT = {"conditioner-onnx_fp32", "dit-fp32", "decoder-int8"}
ABOUT = 0.5  # exposing fewer tensors lets kernels fuse, which rounds otherwise


@given(st.lists(st.integers(min_value=1, max_value=50), max_size=30), st.integers(min_value=1, max_value=400))
def test_each_slice_is_fetched_once_and_none_is_larger_than_allowed(sizes: list[int], slice_bytes: int) -> None:
    by_name = {f"tensor {index}": size for index, size in enumerate(sizes)}
    fetched: list[list[str]] = []

    def fetch(names: list[str]) -> dict[str, np.ndarray]:
        fetched.append(names)
        return {name: np.full(by_name[name], 1.0, np.float32) for name in names}

    sliced = Sliced(by_name, fetch, slice_bytes)
    assert [sliced[name].size for name in sliced] == sizes
    assert [name for names in fetched for name in names] == list(by_name)
    for names in fetched:
        assert len(names) == 1 or sum(VALUE_BYTES * by_name[name] for name in names) <= slice_bytes


def test_what_is_not_there_is_said_without_a_fetch() -> None:
    sliced = Sliced({"a": 1}, lambda names: pytest.fail("fetched"))
    assert "b" not in sliced
    with pytest.raises(KeyError):
        sliced["b"]


@pytest.mark.parametrize("name", few(FILES, KEPT))
def test_slices_change_nothing(judge: Judge, bundles: Mapping[str, Bundle], name: str) -> None:
    stage, recipe = FILES[name]
    bundle = bundles[recipe]
    signature = bundle.manifest.stages[stage].signature
    exact, rounded = judge.model.modules[stage], as_converted(judge.model, stage, bundle.path(stage))
    graph = OPENERS[bundle.manifest.format](bundle.path(stage), signature, rounded)
    inputs = signature.bind(stage_feed(stage, judge.truth(case_called(judge, "drums"))))
    whole, sliced = (localize(exact, rounded, graph, inputs, size) for size in (2**30, SLICE_BYTES[stage]))
    assert [error.path for error in whole] == [error.path for error in sliced]
    for one, other in zip(whole, sliced, strict=True):
        assert other.isolated == pytest.approx(one.isolated, rel=ABOUT), one.path
        assert one.ok == other.ok
