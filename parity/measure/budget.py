"""What a number may be: three kinds of limits, each with its reason.

`Rounding`: a float file may err as much as a small multiple of what the reference itself loses in float32, on the same case
and step. `Following`: a file of reduced precision may err about as much as the reference does at that precision
(`parity/truth/precision.py`), and not much less, which would mean that the precision was never reduced.
`Fixed`: counts, and differences of single numbers, which have no such yardstick.
"""

import math
from dataclasses import dataclass

YARDSTICK = "torch_fp32"  # the reference's own float32 rounding, which float files are measured in
AS_STORED = "as_stored"  # the reference with the checkpoint's weights stored as the very file stores them, layer by layer
UNIT_ROUNDOFF = 2.0**-24  # half a float32 step: what rounding the exact answer once may cost


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """The same limits for every case and step."""

    limit: float
    why: str
    yardstick: str = YARDSTICK

    def limits(self, yardstick: float) -> tuple[float, float]:
        """(low, high)."""
        return 0.0, self.limit


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """`factor` times the reference's own float32 error for the same output, at least `least`: one rounding's worth."""

    factor: float
    why: str
    yardstick: str = YARDSTICK
    least: float = UNIT_ROUNDOFF

    def limits(self, yardstick: float) -> tuple[float, float]:
        """(low, high); `yardstick` is the reference's float32 error."""
        return 0.0, self.factor * max(yardstick, self.least)


@dataclass(frozen=True, kw_only=True)
class Following:
    """Between `low_factor` and `factor` times the error of the reference at the precision called `yardstick`.

    With `share` a part of an error counts as at least that much of the metric `whole`: where the yardstick is drawn, a part of
    it may happen to be next to nothing.
    """

    yardstick: str
    low_factor: float
    factor: float
    why: str
    whole: str = ""  # a metric
    share: float = 0.0

    def limits(self, yardstick: float) -> tuple[float, float]:
        """(low, high); `yardstick` is the error of the reference at that precision."""
        return self.low_factor * yardstick, self.factor * yardstick

    def counted(self, part: float, whole: float) -> float:
        """What the yardstick is taken for, of which a part and the whole were measured; NaN where either is."""
        if not self.share:
            return part
        return math.nan if math.isnan(whole) else max(part, self.share * whole)  # a part that is NaN stays: it comes first


Budget = Fixed | Rounding | Following
