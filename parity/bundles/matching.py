"""Which constant of a file is which tensor of the model: by content, for names are gone in many a file.

A constant is compared with every constant of the reference (`parity/truth/interpreted.py`) that it could be by its shape, at
a few hundred places, and goes with the one that is most like it. How like it really is, the audit says.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from parity.bundles.constants import Constant
from parity.bundles.hadamard import is_hadamard
from parity.bundles.layout import Layout, layouts, part_layouts, reversed_layouts
from parity.bundles.rotation import rotated
from parity.truth.interpreted import Use, Uses
from reference.spec.tensors import Array

ROWS, COLUMNS = 8, 64  # of a constant that are compared
LIKE = 0.7  # correlation of two that may be the same; unrelated weights have 0.05 at 512 values, INT2 more than 0.9
SAME = 1e-3  # of the squares, that two may differ by and still be the same without a factor; INT4 has 5e-3
EQUAL = 1e-12  # of the squares: a float constant that was found
FACTOR = 1e-3  # relative: how exactly a factor that is fitted to equal values is one of the graph's own numbers
STORED = "stored"  # a tensor of the checkpoint as it stands, whatever is computed from it


@dataclass(frozen=True, kw_only=True)
class Match:
    """A constant, the use it stands for, and how. `folded`: the gain before the product is in it, too. `factor`: a number of
    the graph's own that it is multiplied with."""

    constant: Constant
    use: Use
    layout: Layout
    folded: bool = False
    factor: float = 1.0

    def expected(self) -> Tensor:
        """What the constant should hold, in its own shape and order."""
        value = self.use.value
        if self.folded and self.use.gain is not None:
            value = value * self.use.gain.value.reshape(-1)
        arranged = rotated(self.layout.arranged(value).reshape(self.constant.shape), self.constant.rotated)
        return arranged if self.factor == 1 else arranged * self.factor

    @property
    def rounding(self) -> float:
        """How far float32 may be off in what is computed beforehand."""
        return self.use.rounding * abs(self.factor)


@dataclass(frozen=True, kw_only=True)
class Matched:
    """All constants of a file. `matches` are those that are tensors of the model, `numbers` belong to the graph (scalars, shapes,
    zeros and other constant fills), `unexplained` are neither. `missing` are tensors of the model that the file lacks."""

    matches: tuple[Match, ...] = ()
    numbers: tuple[Constant, ...] = ()
    unexplained: tuple[Constant, ...] = ()
    missing: tuple[Use, ...] = ()

    @property
    def left_over(self) -> int:
        """How many are without a partner, of the file and of the model."""
        return len(self.unexplained) + len(self.missing)


def match(constants: Iterable[Constant], uses: Uses, module: nn.Module) -> Matched:
    """Match all constants of a file with a module's."""
    return _Matching(uses, module).of(list(constants))


@dataclass(frozen=True, kw_only=True)
class _Score:
    """How alike a constant and a candidate are: the share of squares they differ by, and their correlation."""

    match: Match
    residual: float
    correlation: float


@dataclass
class _Matching:
    """Candidates by the shape they have without axes of 1."""

    uses: Uses
    module: nn.Module
    candidates: dict[tuple[int, ...], list[Use]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        seen: set[int] = set()
        for use in (*self.uses.found, *stored(self.module)):
            if use.value.numel() > 1 and id(use.value) not in seen:
                seen.add(id(use.value))
                self.candidates.setdefault(tuple(use.value.squeeze().shape), []).append(use)

    def of(self, constants: list[Constant]) -> Matched:
        numbers = [constant for constant in constants if not constant.is_number or constant.count <= 1]
        others = [constant for constant in constants if constant.is_number and constant.count > 1]
        matches: list[Match] = []
        unexplained: list[Constant] = []
        for constant in others:
            found = self.best(constant)
            if found is not None:
                matches.append(found)
            elif self._of_the_graph(constant):
                numbers.append(constant)
            else:
                unexplained.append(constant)
        return Matched(
            matches=tuple(matches),
            numbers=tuple(numbers),
            unexplained=tuple(unexplained),
            missing=tuple(self._missing(matches)),
        )

    def best(self, constant: Constant) -> Match | None:
        """The use that is most like a constant, if any is."""
        values, places = _sample(constant)
        for tried in (layouts, reversed_layouts, part_layouts):
            best: _Score | None = None
            for axes, uses in self.candidates.items():
                for layout in tried(axes, constant):
                    score = self._score(constant, uses, layout, values, layout.coordinates(axes, places))
                    best = score if best is None or score.residual < best.residual else best
                    if best.residual <= EQUAL:
                        return best.match
            if best is not None and best.correlation >= LIKE:
                return best.match
        return None

    def _score(
        self, constant: Constant, uses: list[Use], layout: Layout, values: Array, where: tuple[Array, ...]
    ) -> _Score:
        """Of several uses of one shape the one that is most like the constant, gains folded or not."""
        plain = [(use, use.value.squeeze().numpy()[where].astype(np.float64), False) for use in uses]
        folded = [(use, own * use.gain.value.reshape(-1).numpy()[where[-1]], True) for use, own, _ in plain if use.gain]
        ways = plain + folded
        residuals, correlations = _compared(values, np.stack([own for _, own, _ in ways]))
        at = int(np.argmin(residuals))
        use, own, with_gain = ways[at]
        made = Match(constant=constant, use=use, layout=layout, folded=with_gain)
        if residuals[at] > SAME and (
            scaled := self._scaled(values, np.stack([own for _, own, _ in ways]), correlations)
        ):
            at, factor = scaled
            use, own, with_gain = ways[at]
            made = Match(constant=constant, use=use, layout=layout, folded=with_gain, factor=factor)
            residuals, correlations = _compared(values, own[None] * factor)
            at = 0
        return _Score(match=made, residual=float(residuals[at]), correlation=float(correlations[at]))

    def _scaled(self, values: Array, ways: Array, correlations: Array) -> tuple[int, float] | None:
        """The way that is the same but for a number of the graph's own, and that number."""
        at = int(np.argmax(np.abs(correlations)))
        alike = abs(correlations[at])
        if alike < LIKE:
            return None
        factor = float(values @ ways[at] / (ways[at] @ ways[at]))
        own = [sign * power for number in self.uses.numbers if number for sign in (1, -1) for power in (number, 1 / number)]
        nearest = min((-1.0, *own), key=lambda number: abs(factor / number - 1))
        # Weights that were moved all one way, as clipping does, move a fitted factor by no more than they are apart.
        return (at, nearest) if abs(factor / nearest - 1) <= FACTOR + math.sqrt(max(2 * (1 - alike), 0)) else None

    def _of_the_graph(self, constant: Constant) -> bool:
        """Whether all of it is one number that the graph uses anyway, or it is what a converter rotates with."""
        values = constant.values()
        first = float(values.flat[0])
        known = {0.0, 1.0, -1.0, *self.uses.numbers}
        fills = bool((values == first).all()) and any(math.isclose(first, number, rel_tol=FACTOR) for number in known)
        return fills or is_hadamard(values)

    def _missing(self, matches: list[Match]) -> list[Use]:
        """Uses that no constant stands for and that need one."""
        found = {id(match.use.value) for match in matches}
        folded = {id(match.use.gain.value) for match in matches if match.folded and match.use.gain is not None}
        stored = {name for match in matches if not match.use.derived for name in match.use.origins}
        left = {id(use.value): use for use in self.uses.found if use.value.numel() > 1}
        left = {
            key: use
            for key, use in left.items()
            if key not in found | folded and not set(use.origins) <= (stored or {""})
        }
        needed = (use for use in left.values() if not _needless(use))
        return [use for use in needed if not any(_tied(use, match) for match in matches)]


def stored(module: nn.Module) -> Iterator[Use]:
    """Every tensor of the checkpoint as it stands."""
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if tensor.is_floating_point():
            yield Use(place=len(name) + 10**6, operator=STORED, value=tensor, origins=(name,), derived=False)


def _needless(use: Use) -> bool:
    """Whether leaving a constant out changes nothing."""
    if use.operator in ("shift", "add", "linear", "conv1d", "conv2d", "conv_transpose1d") and not use.value.any():
        return use.value.squeeze().ndim <= 1
    return use.operator in ("gain", "mul", "rmul") and bool((use.value == 1).all())


def _tied(use: Use, match: Match) -> bool:
    """Whether a constant that stands for another use has the very values of this one."""
    other = match.use.value
    return other.numel() == use.value.numel() and torch.equal(other.reshape(-1), use.value.reshape(-1))


def _sample(constant: Constant) -> tuple[Array, Array]:
    """Values at some places of a constant, and these places, counted in the order of the file."""
    count = constant.shape[0]
    rows = _spread(count, ROWS)
    columns = _spread(constant.count // count, COLUMNS * max(1, ROWS // count))
    values = np.concatenate([_straight(constant, row)[columns] for row in rows])
    return values, (rows[:, None] * (constant.count // count) + columns[None, :]).reshape(-1)


def _straight(constant: Constant, row: int) -> Array:
    """The values of a row as they are when nothing is rotated."""
    values: Array = rotated(torch.from_numpy(constant.rows(row, row + 1)[0]), constant.rotated).numpy()
    return values.reshape(-1)


def _spread(length: int, count: int) -> Array:
    """`count` places over the length, at most all of them."""
    return np.unique(np.linspace(0, length - 1, min(length, count)).astype(np.int64))


def _compared(values: Array, ways: Array) -> tuple[Array, Array]:
    """Of each row of `ways`: (share of the squares by which it differs from `values`, correlation); (1, 0) for zeros."""
    energy, others = float(values @ values), np.einsum("ij,ij->i", ways, ways)
    norm = np.sqrt(energy * others)
    sound = np.isfinite(norm) & (norm > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = np.square(ways - values).sum(-1) / (energy + others)
        correlation = ways @ values / norm
    return np.where(sound, apart, 1.0), np.where(sound, correlation, 0.0)
