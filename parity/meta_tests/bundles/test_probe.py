"""Which assignment probing believes, and how a file is fed that takes more than the model gives."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from litert_pipeline.binding import Binding, Match
from litert_pipeline.bundle import Bundle
from litert_pipeline.run.classic import open_interpreter
from litert_pipeline.run.litert import LiteRTStage
from parity.bundles.probe import probed
from parity.runtimes.onnxruntime_ import OnnxStage
from reference.spec.errors import InputError
from reference.spec.generation import Stage
from reference.spec.stages import CONDITIONER
from reference.spec.tensors import Array, Signature, Tensor, Tensors

A, B, OUT = (Tensor(name=name, axes={"n": 3}) for name in ("a", "b", "out"))
BOTH = Signature(inputs=(A, B), outputs=(OUT,))
FEED = {"a": np.array([1, 2, 3], np.float32), "b": np.array([5, -7, 11], np.float32)}


def way(*order: str) -> Binding:
    """Which of a file's inputs, in order, stand for a and b."""
    inputs = tuple(match(ours, f"args_{order.index(ours.name)}", place) for place, ours in enumerate((A, B)))
    return Binding(inputs=inputs, outputs=(match(OUT, "output_0", 0),))


def match(ours: Tensor, name: str, place: int) -> Match:
    return Match(ours=ours, theirs=Tensor(name=name, axes={"axis 0": 3}), position=place, tensor_name=name)


RIGHT_WAY, WRONG_WAY = way("b", "a"), way("a", "b")


def reference(feed: Mapping[str, Array]) -> Tensors:
    return {"out": feed["a"] - 2 * feed["b"]}


def file(feed: Mapping[str, Array]) -> Tensors:
    return {"output_0": feed["args_1"] - 2 * feed["args_0"]}


def crashing_when_right(feed: Mapping[str, Array]) -> Tensors:
    """Fed wrongly it answers nonsense, 55 times as large as it should be."""
    if np.array_equal(feed["args_1"], FEED["a"]):
        raise InputError("file: cannot be run")
    return {"output_0": 55 * reference(FEED)["out"]}


def half_right(feed: Mapping[str, Array]) -> Tensors:
    return {"output_0": file(feed)["output_0"] * np.float32(0.4)}


@pytest.mark.parametrize(("run", "expected"), [
    (file, True), (crashing_when_right, False), (half_right, False), (lambda feed: {"output_0": FEED["a"] * np.nan}, False),
], ids=["right", "crashing when right", "too far from anything", "nothing finite"])  # fmt: skip
def test_an_assignment_wins_by_being_right_not_by_being_best(run: Stage, expected: bool) -> None:
    for ways in ([WRONG_WAY, RIGHT_WAY], [RIGHT_WAY, WRONG_WAY]):
        found = probed(ways, run, reference, BOTH, FEED)
        assert found.probed is expected
        assert found.inputs == (RIGHT_WAY if expected else ways[0]).inputs


@given(st.integers(3, 40), st.integers(0, 100), st.integers(1, 5), st.booleans(), st.integers(1, 2))
def test_more_rows_than_the_model_s_are_zeros_before_the_rows_of_numbers(
    rows: int, more: int, width: int, flat: bool, numbers: int
) -> None:
    """As the conditioner of such a file would hand them over; whatever comes back in the same layout is found again."""
    ours = Tensor(name="cross_attention_cond", axes={"batch": 1, "cond_token": rows, "cond_channel": width})
    axes = {} if flat else {"axis 0": 1}
    theirs = Tensor(name="c", axes={**axes, "axis 1": rows + more, "axis 2": width})
    link = Match(ours=ours, theirs=theirs, position=0, tensor_name="c", numbers=numbers)
    array = np.arange(1, rows * width + 1, dtype=np.float32).reshape(ours.shape)
    fed = link.fed(array)
    assert fed.shape == theirs.shape
    own = fed.reshape(-1, width)
    assert np.array_equal(own[: rows - numbers], array[0, :-numbers])
    assert np.array_equal(own[-numbers:], array[0, -numbers:])
    assert not own[rows - numbers : -numbers].any()
    assert np.array_equal(link.answered(fed), array)


@pytest.mark.parametrize("length", [28, 57, 128])
def test_more_tokens_are_padding_behind_the_model_s(length: int) -> None:
    ours = Tensor(name="input_ids", axes={"batch": 1, "token": 28}, dtype="int32")
    link = Match(ours=ours, theirs=Tensor(name="i", axes={"n": length}, dtype="int64"), position=0, tensor_name="i")
    ids = np.arange(1, 29, dtype=np.int32)[None]
    assert link.fed(ids).tolist() == [*range(1, 29), *[0] * (length - 28)]


def test_what_a_runtime_says_of_a_run_that_fails_is_told(bundles: Mapping[str, Bundle]) -> None:
    """Ids beyond the vocabulary: every runtime refuses to look them up, and each says so in words of its own."""
    litert, onnx = (bundles[recipe] for recipe in ("fp32", "onnx_fp32"))
    signature = litert.manifest.stages[CONDITIONER].signature
    feed = {tensor.name: np.full(tensor.shape, 10**6, tensor.dtype) for tensor in signature.inputs}
    path = litert.path(CONDITIONER)
    with LiteRTStage(path, signature) as run:
        assert_told(run, feed, f"{path}: LiteRT cannot run it (ERROR: ")
    with open_interpreter(path, signature) as classic:
        assert_told(classic, feed, f"{path}: LiteRT's Interpreter cannot run it (")
    path = onnx.path(CONDITIONER)
    assert_told(OnnxStage(path, signature, threads=1), feed, f"{path}: ONNX Runtime cannot run it ([ONNXRuntimeError]")


def assert_told(run: Stage, feed: Mapping[str, Array], words: str) -> None:
    with pytest.raises(InputError) as raised:
        run(feed)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
