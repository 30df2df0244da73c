"""Whether a runtime's integer kernels multiply right on this machine: small products whose sums are known exactly.

Kernels for x86 CPUs without VNNI add two products of uint8 and int8 in 16 bits, which hold 32,767: 255 x 127 twice does not fit,
and the sum is cut off. Weights up to 63 never show it, so those here reach 127.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from reference.spec.tensors import Array

LEAST, MOST = -128, 127  # of what an activation is rounded to
MOST_WEIGHT = 127  # as symmetric quantization gives them
HALF_A_UNIT = 0.5  # sums are whole numbers below 2^24, so float32 holds each exactly


@dataclass(frozen=True, kw_only=True)
class Product:
    """Whole numbers to multiply: `x` float32 (row, summand) in -128..127, `w` int8 (summand, column) in -127..127.

    Every row of `x` has both ends of its range, and every column of `w` the upper end of its own: whoever quantizes them to 8
    bits finds the scale 1 and loses nothing.
    """

    x: Array
    w: Array

    @property
    def sums(self) -> Array:
        """The exact answer, int64 (row, column)."""
        exact: Array = self.x.astype(np.int64) @ self.w.astype(np.int64)
        return exact


def product(rows: int, summands: int, columns: int) -> Product:
    """A product of this size, the same on every machine."""
    draws = np.random.Generator(np.random.Philox(0))
    x = draws.integers(LEAST, MOST, (rows, summands), endpoint=True).astype(np.float32)
    w = draws.integers(-MOST_WEIGHT, MOST_WEIGHT, (summands, columns), endpoint=True).astype(np.int8)
    x[:, 0], x[:, -1], w[0, :] = LEAST, MOST, MOST_WEIGHT
    return Product(x=x, w=w)


Multiply = Callable[[Product], Array]  # (row, column) sums, of a runtime


def wrong_share(ways: Iterable[Multiply], products: Iterable[Product]) -> float:
    """The share of all sums, over every way to multiply and every product, that are off by half a unit or more."""
    products = list(products)
    right = [_right(multiply(one), one.sums) for multiply in ways for one in products]
    return 1.0 - float(np.mean(np.concatenate([found.ravel() for found in right])))


def _right(found: Array, exact: Array) -> Array:
    """Where the answer is right; nowhere if it has another shape, never where it is not a number."""
    if found.shape != exact.shape:
        return np.zeros(exact.shape, bool)
    close: Array = np.abs(found.astype(np.float64) - exact) < HALF_A_UNIT
    return close


@dataclass(frozen=True, kw_only=True)
class IntegerKernels:
    """What the test of a runtime found: the share of wrong sums as it comes, and the share with its option to multiply
    exactly (None: not tried, because it did right or has no such option)."""

    runtime: str
    wrong: float
    wrong_with_option: float | None = None

    @property
    def needs_option(self) -> bool:
        """Whether the runtime has to be told to multiply exactly."""
        return self.wrong_with_option is not None

    @property
    def right(self) -> bool:
        """Whether it multiplies right, told or not."""
        return (self.wrong if self.wrong_with_option is None else self.wrong_with_option) == 0

    def __str__(self) -> str:
        wrong = f"{self.runtime}'s integer kernels get {_percent(self.wrong)} of the test's sums wrong on this CPU"
        if self.wrong == 0:
            return f"{self.runtime}'s integer kernels multiply exactly"
        if self.wrong_with_option is None:
            return wrong
        if self.right:
            return f"{wrong}; told to multiply exactly it gets all of them right, so it is told in every session"
        return f"{wrong}, and {_percent(self.wrong_with_option)} when told to multiply exactly"


def examined(runtime: str, plain: Callable[[], float], with_option: Callable[[], float] | None = None) -> IntegerKernels:
    """Measure the share of wrong sums; where there are any and the runtime has an option against it, once more with that."""
    wrong = plain()
    again = with_option() if with_option is not None and wrong > 0 else None
    return IntegerKernels(runtime=runtime, wrong=wrong, wrong_with_option=again)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
