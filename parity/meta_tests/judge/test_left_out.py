"""What this machine cannot run right is left out and named; it is no fault of the file."""

import pytest

from parity.judge.left_out import examined_kernels, without_unable
from parity.runtimes import VARIANTS, YARDSTICK
from parity.runtimes.integer_kernels import IntegerKernels
from reference.spec.errors import InputError

WRONG = IntegerKernels(runtime="ONNX Runtime", wrong=0.25, wrong_with_option=0.125)
RIGHT = IntegerKernels(runtime="LiteRT", wrong=0.0)
INTEGERS = {"onnx_int8", "litert_int8", "litert_int8_fast", "litert_int8_decoder", "litert_int4_blockwise"}


def wrong_in_onnx(engine: str) -> IntegerKernels:
    return WRONG if engine == "onnx" else RIGHT


def test_only_the_integer_files_of_the_runtime_that_errs_are_left_out() -> None:
    able, left_out = without_unable(VARIANTS, wrong_in_onnx)
    assert [one.variant for one in left_out] == ["onnx_int8"]
    assert able == [name for name in VARIANTS if name != "onnx_int8"]
    assert str(left_out[0]).startswith("onnx_int8 is not judged: this machine cannot run it right: ONNX Runtime's integer")


def test_where_every_runtime_errs_all_integer_files_are_left_out() -> None:
    _, left_out = without_unable(VARIANTS, lambda engine: WRONG)
    assert {one.variant for one in left_out} == INTEGERS


@pytest.mark.parametrize("kernels", [RIGHT, None], ids=["right", "not examined"])
def test_nothing_is_left_out_without_a_reason(kernels: IntegerKernels | None) -> None:
    assert without_unable(VARIANTS, lambda engine: kernels) == (list(VARIANTS), [])


def test_a_run_that_would_judge_nothing_is_an_error_not_a_verdict() -> None:
    with pytest.raises(InputError, match="no bundle can be judged here: onnx_int8 is not judged: this machine cannot"):
        without_unable([YARDSTICK, "onnx_int8"], wrong_in_onnx)


def test_each_runtime_is_examined_and_told_once_and_only_if_it_multiplies_integers() -> None:
    assert examined_kernels(VARIANTS, wrong_in_onnx) == [WRONG, RIGHT]
    assert examined_kernels(["litert_fp32", "onnx_fp32", "litert_int8_weight_only"], wrong_in_onnx) == []
