"""Constants of a `.tflite` file that are nothing in half precision, where that makes a divisor or a product 0.

CPUs that flush (Arm's FZ16, which LiteRT's runtime sets) make 0 of all below half's smallest normal number. A norm's eps of
1e-6 is lost so, and a row of zeros, as the keys of padding are, is divided by 0. x86 does not flush: there the same file
answers right.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from parity.bundles.constants import FLOATS, Constant
from parity.bundles.constants_litert import constants_and_takers
from parity.bundles.flatbuffer import litert_model
from reference.spec.half import SMALLEST_NORMAL

ADDING, MULTIPLYING = ("ADD", "MAXIMUM"), ("MUL",)
DIVIDING = {"RSQRT": 0, "DIV": 1, "LOG": 0}  # which of an operator's inputs must not be 0
# Of 0 these make 0 again, so what follows them is looked at, too.
PASSING = ("SQRT", "RESHAPE", "TRANSPOSE", "EXPAND_DIMS", "SQUEEZE", "BROADCAST_TO", "SLICE", "DEQUANTIZE")
Takers = Mapping[int, list[tuple[str, Any, int]]]


@dataclass(frozen=True, kw_only=True)
class Vanishing:
    """A constant all of whose values are lost in half. `operator`: what it keeps from dividing by 0, or whose product it is.
    `beside`: the tensor it is added to, by index; without one the product is 0 whatever else is in it."""

    name: str
    value: float
    operator: str
    beside: int | None = None


def vanishing_constants(path: Path) -> list[Vanishing]:
    """Of a file's first subgraph, one for each place where a constant is lost. Raises InputError if it is no LiteRT model."""
    with litert_model(path) as (model, schema):
        constants, takers = constants_and_takers(path, model, schema, 0)
        return [lost for index, constant in constants.items() for lost in _lost(index, constant, takers)]


def _lost(index: int, constant: Constant, takers: Takers) -> Iterator[Vanishing]:
    if constant.storage not in FLOATS:
        return
    met = [(name, operator, place) for name, operator, place in _reached(index, takers) if name in (*ADDING, *MULTIPLYING)]
    value = _largest(constant) if met else 0.0
    if not 0 < value < SMALLEST_NORMAL:
        return
    for name, operator, place in met:
        if name in MULTIPLYING:
            yield Vanishing(name=constant.name, value=value, operator=name)
        elif divisor := next((other for other in _dividing(operator.Outputs(0), takers)), None):
            yield Vanishing(name=constant.name, value=value, operator=divisor, beside=operator.Inputs(1 - place))


def _largest(constant: Constant) -> float:
    return max((float(np.abs(constant.read(*part)).max(initial=0.0)) for part in constant.slices()), default=0.0)


def _reached(index: int, takers: Takers) -> Iterator[tuple[str, Any, int]]:
    """Who takes a tensor, or the same numbers in another shape."""
    waiting: deque[int] = deque([index])
    while waiting:
        for name, operator, place in takers.get(waiting.popleft(), []):
            if name in PASSING:
                waiting.append(operator.Outputs(0))
            yield name, operator, place


def _dividing(index: int, takers: Takers) -> Iterator[str]:
    return (name for name, _, place in _reached(index, takers) if DIVIDING.get(name) == place)


def listed(found: Sequence[Vanishing]) -> str:
    """In words: each number once, under which operator and in how many places, with the name of the first."""
    groups: dict[tuple[float, str], list[Vanishing]] = {}
    for one in found:
        groups.setdefault((one.value, one.operator), []).append(one)
    return ", ".join(
        f"{value:.3g} of {operator} in {len(places)} places (the first: '{places[0].name}')"
        for (value, operator), places in groups.items()
    )
