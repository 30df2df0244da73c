"""What a machine does when LiteRT is asked for FP16 compute: one long row of summands whose sum tells.

Three arithmetics go by that name. CPUs without FP16 run the float32 kernels on inputs rounded to half. SME2, and x86 CPUs
on which FP16 is emulated, round the factors of every product to half and add in float32. Neon's FP16 and AVX-512's add in half,
too, so that the error grows with the number of summands.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from parity.measure.arithmetic import FLOAT32_KERNELS, HALF_AND_FLOAT, HALF_AND_HALF
from reference.spec.tensors import Array, Signature, Tensor

UNKNOWN = "none that is known"

# From 2048 on, half numbers are 2 apart: 2048 + 1 is 2048 again, 4096 + 1 is 4096. So each of the 16 partial sums that a kernel
# may keep begins with such a number and ends with its negative; added in half, all of the ones between are lost.
ENDS, ONES = 16, 992
LARGE = 2048.0
# Half numbers above 1 are 2**-10 apart, so 1 and this is 1 again. It is put on every second of the ones inside the graph, whose
# inputs are rounded everywhere; subtracted from its neighbour, such a one leaves nothing in half, and this much in float32.
HIDDEN = 2.0**-12
WEIGHT = 64.0  # of a difference, so that the sum of all is no small number


@dataclass(frozen=True, kw_only=True)
class LongRow:
    """`x` float32 (1, summand), what is added to it inside the graph, float32 (summand), and two columns of weights, float32
    (summand, 2): one in which the ones add up, one in which they cancel."""

    x: Array
    offset: Array
    w: Array

    @property
    def sums(self) -> Array:
        """The exact answer, (1, 2)."""
        exact: Array = (self.x.astype(np.float64) + self.offset) @ self.w.astype(np.float64)
        return exact

    @property
    def signature(self) -> Signature:
        """What a file takes and gives that adds the row up: `x`, and the two `sums`."""
        taken = Tensor(name="x", axes={"row": 1, "summand": self.x.shape[1]})
        return Signature(inputs=(taken,), outputs=(Tensor(name="sums", axes={"row": 1, "column": self.w.shape[1]}),))


def long_row() -> LongRow:
    """The row that tells."""
    nothing, large, pairs = np.zeros(ENDS), np.full(ENDS, LARGE), ONES // 2
    added = np.concatenate([large, np.ones(ONES), -large])
    cancelled = np.concatenate([nothing, np.tile([WEIGHT, -WEIGHT], pairs), nothing])
    return LongRow(
        x=np.ones((1, ONES + 2 * ENDS), np.float32),
        offset=np.concatenate([nothing, np.tile([HIDDEN, 0], pairs), nothing]).astype(np.float32),
        w=np.stack([added, cancelled], 1).astype(np.float32),
    )


@dataclass(frozen=True, kw_only=True)
class HalfCompute:
    """The arithmetic that was recognised, and the shares of the two exact sums that it was recognised by."""

    kind: str
    added: float
    cancelled: float

    def __str__(self) -> str:
        return f"{self.kind} ({self.added:.3g} of a long sum kept, {self.cancelled:.3g} of what half numbers hide)"


def recognised(run: Callable[[LongRow], Array]) -> HalfCompute:
    """Which arithmetic sums the row as `run` does."""
    row = long_row()
    added, cancelled = (float(share) for share in (np.asarray(run(row), np.float64) / row.sums)[0])
    return HalfCompute(kind=KINDS.get((_all(added), _all(cancelled)), UNKNOWN), added=added, cancelled=cancelled)


# By whether the long sum is kept, and what half numbers hide: True all of it, False none, None anything between.
KINDS: dict[tuple[bool | None, bool | None], str] = {
    (True, True): FLOAT32_KERNELS,
    (True, False): HALF_AND_FLOAT,
    (False, False): HALF_AND_HALF,
}
NEAR = 0.3  # of all, or of none; every arithmetic that was seen is within 0.001


def _all(share: float) -> bool | None:
    if abs(share - 1) <= NEAR:
        return True
    return False if abs(share) <= NEAR else None

