"""The largest value inside a block of T5 beside the largest FP16 number; `activations` measures it."""

from dataclasses import dataclass

import numpy as np

FP16_MAX = float(np.finfo(np.float16).max)
WARN_SHARE = 0.25  # of it: two doublings away


@dataclass(frozen=True, kw_only=True)
class Activation:
    """The largest absolute value inside one block of T5, and where it was seen."""

    block: str
    module: str
    case: str
    largest: float

    @property
    def share(self) -> float:
        """Of the largest FP16 number; beyond 1 it is infinite there."""
        return self.largest / FP16_MAX

    @property
    def safe(self) -> bool:
        """Whether there is room left; NaN does not compare."""
        return self.share <= WARN_SHARE

    def __str__(self) -> str:
        state = "overflows FP16" if not self.share <= 1 else "is near the largest FP16 number"
        return (
            f"{self.module} reaches {self.largest:.3g} on case {self.case} and {state} ({FP16_MAX:.0f}): "
            "run the conditioner in FP32"
        )
