"""Changes of one input so small that only their being answered tells anything: what is cut off, snapped, stuck or never read
answers none of them. No precision hides that, for answers are compared bit for bit."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference.spec.domain import Levels, Normal, Seconds, Sounds, TokenIds
from reference.spec.model import ModelSpec, StageSpec
from reference.spec.ports import Port
from reference.spec.stages import StageRow
from reference.spec.tensors import Array, Tensors

# Of a level or duration: right files of every mix have answered all changes of this size, and one whose levels are rounded to
# float16 leaves one in five unanswered.
FINE = 2.0**-11
# Levels below it are changed by as much as this one: a file that rounds sines of a level to INT8 does so in steps that do not
# shrink with it, and a right one left a change of 1e-6 unanswered.
LEAST_LEVEL, MIDDLE = 0.25, 0.5
# Of the largest values: eight steps of INT8. Files whose feeds are rounded by the tensor left half a step unanswered.
PEAK = 2.0**-4
COARSE = 2.0**-8  # of levels and durations: some steps of float16; right files that compute in it have answered all from half on


@dataclass(frozen=True, kw_only=True)
class Nudge:
    """An input changed a little."""

    port: str
    feed: Tensors


def nudges(row: StageRow, feed: Tensors, spec: StageSpec, *, half: bool) -> Iterator[Nudge]:
    """Every input of a stage changed, one at a time, but for those a change of which means nothing; `half`: a stage that computes
    in float16 may round its inputs to it."""
    for port in (port for port in row.inputs if port.name in feed):
        change = NUDGES.get(_domain(port))
        value = None if change is None else change(feed[port.name], COARSE if half else FINE, spec, port.name)
        if value is not None:
            yield Nudge(port=port.name, feed={**feed, port.name: value})


def _domain(port: Port) -> type | None:
    return None if port.domain is None else type(port.domain)


def _level(value: Array, step: float, spec: StageSpec, name: str) -> Array:
    """A level a little nearer to the middle."""
    inwards = np.where(value < MIDDLE, 1, -1)
    return np.asarray(value + inwards * step * np.maximum(value, LEAST_LEVEL), value.dtype)


def _seconds(value: Array, step: float, spec: ModelSpec, name: str) -> Array | None:
    """A duration a little nearer to the middle; beyond the range all are taken for its end."""
    least, most = spec.number(name).min_s, spec.number(name).max_s
    if not least <= float(value[0]) <= most:
        return None
    inwards = 1 if float(value[0]) < (least + most) / 2 else -1
    return (value + inwards * step * (most - least)).astype(value.dtype)


def _token(value: Array, step: float, spec: ModelSpec, name: str) -> Array:
    """The next id in the place of the one in the middle of the prompt."""
    changed = value.copy()
    middle = np.count_nonzero(value) // 2
    changed[0, middle] = 1 + value[0, middle] % (spec.t5.vocab_size - 1)  # id 0 is padding
    return changed


def _peaks(value: Array, step: float, spec: StageSpec, name: str) -> Array | None:
    """The peaks a little lower, so that what is quantized by its range is quantized otherwise; of silence nothing is."""
    most = value.dtype.type((1 - PEAK) * np.abs(value).max())
    return np.clip(value, -most, most) if most else None


# An input without a domain is what another stage answers. A mask is zeros and ones.
NUDGES: Mapping[type | None, Callable[[Array, float, Any, str], Array | None]] = {
    Levels: _level, Seconds: _seconds, TokenIds: _token, Normal: _peaks, Sounds: _peaks, None: _peaks,
}  # fmt: skip
