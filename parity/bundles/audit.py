"""Whether a file holds the model's weights: every constant against the tensor it stands for, in steps of its own grid.

A constant that is rounded to the nearest value of its grid is never more than half a step away. What is farther was changed,
or quantized by a scheme that moves weights on purpose; such schemes leave marks, and are named.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from litert_pipeline import mlx_file
from parity.bundles.constants import Constant
from parity.bundles.constants_litert import litert_constants
from parity.bundles.constants_mlx import mlx_constants
from parity.bundles.constants_onnx import onnx_constants
from parity.bundles.forms import Form
from parity.bundles.matching import Match, Matched, match
from parity.measure.arithmetic import FLOAT16
from parity.measure.file_limits import HALF_STEP, STEPS_BEYOND
from reference.spec.tensors import Array

Reader = Callable[[Path, Collection[int]], list[Constant]]
READERS: Mapping[str, Reader] = {".tflite": litert_constants, ".onnx": onnx_constants, mlx_file.SUFFIX: mlx_constants}
MOST_STEPS = HALF_STEP + STEPS_BEYOND.limit
HALF_SCALE = 2.0**-11  # relative: half a step of a scale stored in float16, at either side
CLIPPED, COMPENSATED = "clipped", "compensated (as GPTQ does)"
MOST_LEFT = 0.5  # of the wrong constants, that may stay wrong where a loading explains the others
LEAST_CLIP = 0.52  # steps: what clips less is no scheme, but a wrong scale
STRAIGHT = 6.0  # standard errors: how far the rows of compensated weights may lean towards the true ones
SPREAD, MOST_ROWS = 0.05, 0.5  # of values, and of rows with such values, that handed-on errors push beyond half a step


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A matched constant; `steps`: its worst distance, in steps of its own grid. `scheme`: what moved it on purpose, if any."""

    match: Match
    steps: float
    scheme: str = ""

    @property
    def wrong(self) -> bool:
        """Whether it is too far away, and no scheme explains it; a NaN is."""
        return not self.steps <= MOST_STEPS and not self.scheme

    def __str__(self) -> str:
        constant = self.match.constant
        return f"{self.match.use.name} ({constant.storage}{list(constant.shape)}) is {self.steps:.3g} steps off"


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What was found of one file; `matched` says what it is made of, `form` of which module, and how that was loaded."""

    path: Path
    form: Form
    matched: Matched
    findings: tuple[Finding, ...]

    @property
    def wrong(self) -> list[Finding]:
        """Constants that are too far away, the worst first."""
        return sorted((finding for finding in self.findings if finding.wrong), key=lambda finding: -finding.steps)

    @property
    def steps(self) -> float:
        """The worst distance that no scheme explains."""
        return max((finding.steps for finding in self.findings if not finding.scheme), default=0.0)

    @property
    def left_over(self) -> int:
        """How much is not as it should be: wrong, missing or unexplained."""
        return len(self.wrong) + self.matched.left_over


def audit(path: Path, forms: Sequence[Form], others: Collection[int] = ()) -> Audit:
    """Audit a file, but for subgraphs that are other stages', against the form of the module that explains most of it; later
    forms are looked at only where earlier ones leave something, or a constant is wrong by them. Raises InputError if the file is
    damaged."""
    constants = READERS[path.suffix](path, others)
    tried: list[tuple[Matched, Form]] = []
    for form in forms:
        tried.append((match(constants, form.uses, form.module), form))
        if not tried[-1][0].left_over:
            break
    best = _audited(path, *min(tried, key=lambda pair: pair[0].left_over))
    for form in forms[len(tried) :]:
        if best.wrong:
            best = min(best, _audited(path, match(constants, form.uses, form.module), form), key=lambda found: found.left_over)
    return _as_loaded(best, constants)


def _audited(path: Path, matched: Matched, form: Form) -> Audit:
    return Audit(path=path, form=form, matched=matched, findings=_agreed(list(map(_finding, matched.matches))))


def _as_loaded(found: Audit, constants: list[Constant]) -> Audit:
    """The audit against the weights as a loader left them, where that explains most of what is wrong: a loader rounds all of a
    module, so what it did not round beside what it did is wrong."""
    best = found
    for form in found.form.rounded:
        if best.wrong:
            other = _audited(found.path, match(constants, form.uses, form.module), form)
            best = other if len(other.wrong) <= MOST_LEFT * len(found.wrong) and other.left_over < best.left_over else best
    return best


def _agreed(findings: list[Finding]) -> tuple[Finding, ...]:
    """A scheme that hands errors on is one of the whole file: where anything is wrong beside it, it only looked like one."""
    if not any(finding.wrong for finding in findings):
        return tuple(findings)
    return tuple(replace(finding, scheme="") if finding.scheme == COMPENSATED else finding for finding in findings)


def _finding(entry: Match) -> Finding:
    """How far a constant is from what it should be, and which scheme explains that where it is too far."""
    steps = _worst(entry)
    return Finding(match=entry, steps=steps, scheme="" if steps <= MOST_STEPS else _scheme(entry))


def _worst(entry: Match) -> float:
    """The largest distance in steps, NaN if a value is none."""
    return max((float(np.max(part)) for part in _distances(entry)), default=0.0)


def _distances(entry: Match) -> Iterator[Array]:
    """Signed distances from what a constant should hold, slice by slice, in steps of its own grid."""
    constant, expected = entry.constant, entry.expected()
    for start, stop in constant.slices():
        wanted = (expected[start:stop] if constant.shape else expected).double().numpy()
        values, step = constant.rows(start, stop)
        if constant.grid is not None and constant.grid.scale_dtype == FLOAT16:
            step = step + HALF_SCALE * np.abs(wanted)
        yield np.abs(values - wanted) / (step + 2 * entry.rounding)


def _scheme(entry: Match) -> str:
    """What moved a quantized constant on purpose; empty where nothing known did."""
    if entry.constant.grid is None:
        return ""
    if _clipped(entry):
        return CLIPPED
    return COMPENSATED if _compensated(entry) else ""


def _clipped(entry: Match) -> bool:
    """Whether all that is too far away lies beyond the end of the grid, and some of it well beyond."""
    constant, expected = entry.constant, entry.expected()
    (low, high), worst = constant.ends(), 0.0
    for (start, stop), distance in zip(constant.slices(), _distances(entry), strict=True):
        far, levels = distance > MOST_STEPS, constant.read(start, stop)
        beyond = np.abs(expected[start:stop].double().numpy()) > np.abs(constant.rows(start, stop)[0])
        if not np.all(beyond[far] & ((levels >= high) | (levels <= low + 1))[far]):
            return False
        worst = max(worst, float(distance.max()))
    return worst >= LEAST_CLIP


def _compensated(entry: Match) -> bool:
    """Whether errors were handed on from column to column, as GPTQ does. Then many values in most rows are too far away, yet
    the first column of inputs is rounded to the nearest, and rows do not lean towards the true weights or away from them, as
    they do where a scale is wrong."""
    wanted, apart = (_by_outputs(entry, values) for values in (entry.expected().double(), _apart(entry)))
    far = (apart / _by_outputs(entry, _steps(entry))).abs() > MOST_STEPS
    spread = far.double().mean() >= SPREAD and far.any(1).double().mean() >= MOST_ROWS
    return bool(spread and not far.any(0).all() and _straight(apart, wanted))


def _straight(apart: Tensor, wanted: Tensor) -> bool:
    """Whether errors are independent of the weights, row by row and altogether: a chi-squared and a normal test."""
    energy = wanted.square().sum(1)
    lean = (apart * wanted).sum(1) / energy
    error = (apart.square().mean(1) / energy).sqrt()
    rows = len(lean)
    pooled = (lean / error.square()).sum() / (1 / error.square()).sum().sqrt()
    return bool((lean / error).square().sum() <= rows + STRAIGHT * (2 * rows) ** 0.5 and pooled.abs() <= STRAIGHT)


def _apart(entry: Match) -> Tensor:
    return torch.from_numpy(entry.constant.values()).double() - entry.expected().double()


def _steps(entry: Match) -> Tensor:
    return torch.from_numpy(
        np.concatenate([entry.constant.rows(*part)[1] for part in entry.constant.slices()])
    ).double()


def _by_outputs(entry: Match, values: Tensor) -> Tensor:
    """(output, input), as a layer's weights are in the model."""
    whole = entry.layout.restored(values, entry.use.value) if entry.layout.stop is None else values
    return whole.reshape(whole.shape[0], -1)
