"""What this machine cannot run right is left out and named; it is no fault of the file."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from litert_pipeline.bundle import Bundle
from parity import runtimes
from parity.bundles.files import Files
from parity.bundles.given import makeable
from parity.judge.left_out import computed_with, examined_kernels, without_unable
from parity.judge.lineup import contenders_of
from parity.measure.budget import YARDSTICK
from parity.runtimes import ONNX_RUNTIME, RUNTIMES, Contender, Runtime
from parity.runtimes.integer_kernels import IntegerKernels
from reference.spec.errors import InputError

WRONG = IntegerKernels(runtime="ONNX Runtime", wrong=0.25, wrong_with_option=0.125)
RIGHT = IntegerKernels(runtime="LiteRT", wrong=0.0)
ABSENT = "ONNX Runtime is not installed"
INTEGERS = {"onnx_int8", "litert_int8", "litert_int8_fast", "litert_int8_decoder"}


@pytest.fixture(scope="module")
def contenders(bundles: Mapping[str, Bundle]) -> dict[str, Contender]:
    return contenders_of(bundles.values())


def wrong_in_onnx(runtime: Runtime) -> IntegerKernels:
    return WRONG if runtime is ONNX_RUNTIME else RIGHT


def test_only_the_integer_files_of_the_runtime_that_errs_are_left_out(contenders: dict[str, Contender]) -> None:
    able, left_out = without_unable(contenders, contenders, Files(), wrong_in_onnx)
    assert [one.variant for one in left_out] == ["onnx_int8"]
    assert able == [name for name in contenders if name != "onnx_int8"]
    assert str(left_out[0]).startswith("onnx_int8 is not judged: this machine cannot run it right: ONNX Runtime's integer")


def test_where_every_runtime_errs_all_integer_files_are_left_out(contenders: dict[str, Contender]) -> None:
    _, left_out = without_unable(contenders, contenders, Files(), lambda runtime: WRONG)
    assert {one.variant for one in left_out} == INTEGERS


@pytest.mark.parametrize("kernels", [RIGHT, None], ids=["right", "not examined"])
def test_nothing_is_left_out_without_a_reason(contenders: dict[str, Contender], kernels: IntegerKernels | None) -> None:
    assert without_unable(contenders, contenders, Files(), lambda runtime: kernels) == (list(contenders), [])


def test_a_run_that_would_judge_nothing_is_an_error_not_a_verdict(contenders: dict[str, Contender]) -> None:
    with pytest.raises(InputError, match="no bundle can be judged here: onnx_int8 is not judged: this machine cannot"):
        without_unable([YARDSTICK, "onnx_int8"], contenders, Files(), wrong_in_onnx)


def test_each_runtime_is_examined_and_told_once_and_only_if_it_multiplies_integers(contenders: dict[str, Contender]) -> None:
    assert examined_kernels(contenders, contenders, Files(), wrong_in_onnx) == [WRONG, RIGHT]
    assert examined_kernels(["litert_fp32", "onnx_fp32", "litert_int8_weight_only"], contenders, Files(), wrong_in_onnx) == []


def without_onnx(runtime: Runtime) -> Runtime:
    return replace(runtime, missing=lambda: ABSENT) if runtime is ONNX_RUNTIME else runtime


def test_files_of_a_runtime_that_is_not_installed_are_left_out(contenders: dict[str, Contender]) -> None:
    here = {name: replace(contender, runtime=without_onnx(contender.runtime)) for name, contender in contenders.items()}
    able, left_out = without_unable(here, here, Files(), lambda runtime: RIGHT)
    assert {str(one) for one in left_out} == {f"{name} is not judged: {ABSENT}" for name in ("onnx_fp32", "onnx_int8")}
    assert {"onnx_fp32", "onnx_int8"}.isdisjoint(able)


def test_bundles_that_nothing_here_runs_are_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = tuple(replace(row, runtime=without_onnx(row.runtime)) for row in RUNTIMES)
    monkeypatch.setattr(runtimes, "RUNTIMES", rows)
    told: list[str] = []
    assert makeable({"fp32", "onnx_fp32"}, told.append) == {"fp32"}
    assert told == [f"not judged: bundle onnx_fp32, {ABSENT}"]


def test_what_a_runtime_computes_with_is_told_once(contenders: dict[str, Contender]) -> None:
    told = replace(ONNX_RUNTIME, here=lambda: "a library of its own")
    here = {name: replace(one, runtime=told) if one.runtime is ONNX_RUNTIME else one for name, one in contenders.items()}
    assert computed_with(["onnx_fp32", "litert_fp32", "onnx_int8"], here) == "a library of its own"
    assert computed_with(["litert_fp32"], here) == ""
