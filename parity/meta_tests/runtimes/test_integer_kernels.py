"""Whether integer kernels multiply right is found out before anything is judged: exact, overflowing, cured, still wrong."""

from collections.abc import Callable

import numpy as np
import pytest

from parity.runtimes import LITERT, ONNX_RUNTIME, Runtime
from parity.runtimes.host import unable
from parity.runtimes.integer_kernels import LEAST, MOST, MOST_WEIGHT, IntegerKernels, Product, examined, wrong_share
from parity.runtimes.litert_products import PRODUCT
from parity.runtimes.onnx_products import PRODUCTS, wrong_in_onnxruntime
from reference.spec.tensors import Array

ALL_PRODUCTS = (*PRODUCTS, PRODUCT)
INT16 = np.iinfo(np.int16)


def overflowing(one: Product) -> Array:
    """What x86 computes without VNNI: pairs of products of unsigned activations are added in 16 bits, which are cut off."""
    terms = (one.x - LEAST).astype(np.int64)[:, :, None] * one.w.astype(np.int64)
    pairs = np.clip(terms[:, 0::2] + terms[:, 1::2], INT16.min, INT16.max)
    return pairs.sum(1) + LEAST * one.w.astype(np.int64).sum(0)


def small_weights(one: Product) -> Product:
    """The product with weights whose pairs fit into 16 bits."""
    return Product(x=one.x, w=(one.w // 2).clip(-63, 63))


@pytest.mark.parametrize("one", ALL_PRODUCTS, ids=lambda one: "x".join(map(str, (*one.x.shape, one.w.shape[1]))))
def test_a_product_quantizes_to_itself(one: Product) -> None:
    """Its activations span 8 bits and its weights reach their end, so that rounding loses nothing."""
    assert {tuple(row) for row in np.stack([one.x.min(1), one.x.max(1)], 1)} == {(LEAST, MOST)}
    assert set(np.abs(one.w.astype(int)).max(0)) == {MOST_WEIGHT}
    assert np.abs(one.sums).max() < 2**24, "float32 holds every sum"


def exact(one: Product) -> Array:
    return one.sums


# Answers, and whether the test has to notice.
ANSWERS: dict[str, tuple[Callable[[Product], Array], bool]] = {
    "exact": (exact, False),
    "exact in float32": (lambda one: one.sums.astype(np.float32), False),
    "16 bits overflow": (overflowing, True),
    "off by one": (lambda one: one.sums + 1, True),
    "one sum off": (lambda one: one.sums + (np.arange(one.sums.size).reshape(one.sums.shape) == 0), True),
    "not a number": (lambda one: np.full(one.sums.shape, np.nan, np.float32), True),
    "transposed": (lambda one: one.sums.T, True),
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_wrong_sum_is_noticed(answer: str) -> None:
    multiply, noticed = ANSWERS[answer]
    assert (wrong_share([multiply], ALL_PRODUCTS) > 0) == noticed


def test_small_weights_would_not_show_the_overflow() -> None:
    """Why the weights reach 127."""
    assert wrong_share([overflowing], map(small_weights, ALL_PRODUCTS)) == 0


def test_one_wrong_way_among_right_ones_is_noticed() -> None:
    assert wrong_share([exact, overflowing], ALL_PRODUCTS) > 0


# What the runtime does as it comes and told to multiply exactly (None: it cannot be told), and what has to follow:
# whether it is told, whether it is right in the end, words of the sentence.
OUTCOMES: dict[str, tuple[float, float | None, bool, bool, str]] = {
    "right": (0.0, 0.5, False, True, "multiply exactly"),
    "cured": (0.25, 0.0, True, True, "gets all of them right, so it is told in every session"),
    "still wrong": (0.25, 0.125, True, False, "25 % of the test's sums wrong on this CPU, and 12.5 % when told"),
    "wrong, no option": (0.25, None, False, False, "25 % of the test's sums wrong on this CPU"),
}


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_outcome_is_told_apart(outcome: str) -> None:
    plain, with_option, needs_option, right, words = OUTCOMES[outcome]
    found = examined("a runtime", lambda: plain, None if with_option is None else lambda: with_option)
    assert (found.needs_option, found.right) == (needs_option, right)
    assert words in str(found)
    assert (unable(found) is None) == right


def test_the_option_is_not_tried_where_nothing_is_wrong() -> None:
    def never() -> float:
        raise AssertionError

    assert examined("a runtime", lambda: 0.0, never) == IntegerKernels(runtime="a runtime", wrong=0.0)


@pytest.mark.parametrize("runtime", [ONNX_RUNTIME, LITERT], ids=lambda runtime: runtime.name)
def test_this_machine_multiplies_right(runtime: Runtime) -> None:
    """As it comes or told to: only then can all variants be judged here."""
    assert runtime.integer_kernels is not None
    found = runtime.integer_kernels()
    assert found.right, str(found)


def test_the_option_against_overflow_spoils_nothing() -> None:
    assert wrong_in_onnxruntime(exact=True) == 0
