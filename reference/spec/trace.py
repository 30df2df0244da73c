"""What a generation leaves behind: the names of its tensors, and how they cross from one stage to the next.

A trace maps names to arrays. Most names stand once; what happens in every sampler step stands once per step, under
`at_step`: the state `x`, the model's output `v`, the clean estimate `denoised`, and `noise`. `levels` has one more
entry than there are steps. In a guided step there is also `u`, the output for what guidance leads away from; what the
conditioner was told of that, and answered, stands under `away`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEVELS = "levels"


def at_step(name: str, step: int) -> str:
    """Under which name a trace holds the `name` of a sampler step, counted from 0: `v_3`."""
    return f"{name}_{step}"


def away(name: str) -> str:
    """Under which name a trace holds the `name` of what guidance leads away from."""
    return f"negative_{name}"


def steps(trace: Mapping[str, NDArray[Any]]) -> int:
    """How many sampler steps the trace has."""
    return len(trace[LEVELS]) - 1


def crossing(tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Tensors as they cross from one stage to the next: float32, whatever precision computed them; ids stay int32.

    An array that needs no change is not copied.
    """
    return {name: crossed(array) for name, array in tensors.items()}


def crossed(array: NDArray[Any]) -> NDArray[Any]:
    """One tensor as it crosses."""
    return array.astype(np.float32, copy=False) if array.dtype.kind == "f" else array
