"""Whose FP16 compute this machine's is: LiteRT's files are held to what it does, another runtime's to what they say."""

from typing import Any, cast
from unittest.mock import Mock

import pytest

from parity.judge import sources
from parity.judge.sources import Run
from parity.measure.arithmetic import (
    FP16_COMPUTE,
    FP32_COMPUTE,
    HALF_AND_FLOAT,
    HALF_AND_HALF,
    HALF_COMPUTE,
    SINGLE,
    Arithmetic,
)
from parity.measure.half_compute import HalfCompute
from parity.runtimes import INTERPRETER, LITERT, MLX_RUNTIME, ONNX_RUNTIME, Contender, Runtime
from reference.spec.stages import DIT


def run(runtime: Runtime, compute: str, arithmetic: Arithmetic) -> Run:
    files = Mock()
    files.arithmetic.return_value = arithmetic
    contender = Contender(name="mine", runtime=runtime, bundle=Mock(), compute=compute)
    return Run(contender=contender, model=Mock(), threads=1, open_stages=Mock(), files=cast(Any, files))


@pytest.mark.parametrize(
    ("runtime", "halves"),
    [(LITERT, HALF_AND_HALF), (INTERPRETER, HALF_AND_HALF), (MLX_RUNTIME, HALF_AND_FLOAT), (ONNX_RUNTIME, HALF_AND_FLOAT)],
    ids=lambda one: getattr(one, "name", None),
)
def test_a_machine_that_sums_in_half_does_so_in_litert_alone(
    monkeypatch: pytest.MonkeyPatch, runtime: Runtime, halves: str
) -> None:
    monkeypatch.setattr(sources, "half_compute", lambda: HalfCompute(kind=HALF_AND_HALF, added=0.0, cancelled=0.0))
    assert run(runtime, FP16_COMPUTE, HALF_COMPUTE).arithmetic(DIT).halves == halves


def test_what_is_computed_in_float32_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "half_compute", lambda: pytest.fail("this machine was asked"))
    assert run(LITERT, FP32_COMPUTE, SINGLE).arithmetic(DIT) == SINGLE
