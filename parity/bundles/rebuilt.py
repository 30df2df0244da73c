"""The reference holding a file's own weights, fed as the file's kernels are: what is left between the two is rounding.

A graph that is wrong shows at any precision, for quantization's own error is on both sides.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from parity.bundles.audit import Audit
from parity.bundles.constants import Constant
from parity.bundles.matching import STORED, Match
from parity.bundles.rotation import rotated
from parity.measure.arithmetic import FLOAT, FLOAT16, PER_BLOCK, PER_ROW, PER_TENSOR, STATIC
from parity.truth.interpreted import GAIN, Interpreter, Use
from parity.truth.precision import int8_blocks, int8_rows, int8_tensor
from reference.spec.tensors import Array, Signature, Tensors

EMULATED = (FLOAT, PER_ROW, PER_TENSOR, PER_BLOCK)
CONVOLVED = (F.conv1d, F.conv2d, F.conv_transpose1d)


@dataclass(frozen=True, kw_only=True)
class Held:
    """What stands in the place of a constant, read when it is asked for, and how the product with it is fed: `block`, how many
    values share a scale; `rotated`, how many are rotated together before they are rounded."""

    value: Callable[[], Tensor]
    fed: str = FLOAT
    block: int = 1
    rotated: int = 0


class _Holding(Interpreter):
    """Runs a module with other constants, by their places in the run, and with norms that multiply by so much more."""

    def __init__(self, module: nn.Module, held: Mapping[int, Held], *, rounds: bool, grown: float) -> None:
        super().__init__(module)
        self.held, self.rounds, self.grown = held, rounds, grown

    def met(self, use: Use) -> Tensor:
        found = self.held.get(use.place)
        value = use.value if found is None else found.value()
        return self.grown * value if use.operator == GAIN else value

    def constant(self, function: Callable[..., Any], args: Any, kwargs: Any, tensors: list[Tensor]) -> Any:
        return function(*args, **kwargs)  # where it comes from is known from the first look

    def apply(self, function: Callable[..., Any], args: Any, kwargs: Any, uses: list[Use]) -> Any:
        held = next((held for use in uses if (held := self.held.get(use.place)) and held.fed != FLOAT), None)
        if self.rounds and held is not None:
            args = (_rounded(function, held, args[0]), *args[1:])
        return function(*args, **kwargs)


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """A stage of the float32 reference with a file's constants. `emulated`: how all its layers are fed is known."""

    module: nn.Module
    signature: Signature
    held: Mapping[int, Held]
    emulated: bool

    @property
    def rounds(self) -> bool:
        """Whether any layer's feed is rounded."""
        return any(held.fed != FLOAT for held in self.held.values())

    def __call__(self, feed: Mapping[str, Array], *, rounds: bool = True, grown: float = 1.0) -> Tensors:
        """Answers; without `rounds` nothing is rounded but the weights. All norms' gains are `grown` times what they are."""
        running = _Holding(self.module, self.held, rounds=rounds, grown=grown)
        tensors = {name: running.feed(torch.from_numpy(array)) for name, array in self.signature.bind(feed).items()}
        with torch.no_grad(), running:
            outputs = self.module(**tensors)
        return {name: tensor.numpy() for name, tensor in outputs.items()}


def stored(match: Match) -> Constant:
    """What a file has in the place of a constant."""
    return match.constant


def rebuilt(audit: Audit, *, keep: bool, constant: Callable[[Match], Constant] = stored) -> Rebuilt:
    """The stage that a file holds; `keep` the values of its constants once they are read, else they are read whenever they are
    used. `constant` says what is taken in the place of its own; it is asked once for each that is used."""
    taken = _once(constant)
    form = audit.form
    return Rebuilt(
        module=_holding_tensors(audit, taken),
        signature=form.signature,
        held=_held(audit, form.uses.found, keep, taken),
        emulated=all(map(_is_emulated, (*(finding.match.constant for finding in audit.findings), *audit.matched.numbers)))
        and all(map(_fed_alike, _by_value(audit).values())),
    )


def _once(constant: Callable[[Match], Constant]) -> Callable[[Match], Constant]:
    known = dict[int, Constant]()

    def of(match: Match) -> Constant:
        if id(match) not in known:
            known[id(match)] = constant(match)
        return known[id(match)]

    return of


def _holding_tensors(audit: Audit, taken: Callable[[Match], Constant]) -> nn.Module:
    """The module; where a file stores a tensor from which others are computed, such as T5's position biases, a copy that has the
    file's. All its other tensors are the module's own."""
    module = audit.form.module
    matches = [finding.match for finding in audit.findings if finding.match.use.operator == STORED]
    if not matches:
        return module
    changed = copy.deepcopy(module, {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())})
    for match in matches:
        path, _, name = match.use.origins[0].rpartition(".")
        held, part = _value(match.use, [match], taken), changed.get_submodule(path)
        setattr(part, name, nn.Parameter(held, requires_grad=False) if name in dict(part.named_parameters()) else held)
    return changed


def _is_emulated(constant: Constant) -> bool:
    """Whether a reference that computes in float32 does what a graph does with a constant: one in float16 that is not widened is
    computed with in float16, and the graph's own numbers are rounded on their way into it."""
    if constant.storage == FLOAT16:
        return constant.widened and constant.count > 1
    return constant.fed in EMULATED


def _by_value(audit: Audit) -> dict[int, list[Match]]:
    """The constants that stand for each value of the model: several where it is stored in parts."""
    found: dict[int, list[Match]] = {}
    for finding in audit.findings:
        found.setdefault(id(finding.match.use.value), []).append(finding.match)
    return found


def _feed(constant: Constant) -> tuple[str, int, int]:
    """How the layer that takes a constant is fed; how many values share a scale then, and are rotated together."""
    block = max(constant.grid.block) if constant.grid is not None and constant.fed == PER_BLOCK else 1
    return constant.fed, block, constant.rotated


def _fed_alike(matches: Sequence[Match]) -> bool:
    return len({_feed(match.constant) for match in matches}) == 1


def _held(audit: Audit, uses: Sequence[Use], keep: bool, taken: Callable[[Match], Constant]) -> dict[int, Held]:
    by_value, found = _by_value(audit), dict[int, Held]()
    for use in uses:
        if matches := by_value.get(id(use.value)):
            read = partial(_value, use, matches, taken)
            fed, block, rotated_by = _feed(matches[0].constant)
            found[use.place] = Held(value=cache(read) if keep else read, fed=fed, block=block, rotated=rotated_by)
            if matches[0].folded and use.gain is not None:
                found[use.gain.place] = Held(value=partial(torch.ones_like, use.gain.value))
    return found


def _value(use: Use, matches: Sequence[Match], taken: Callable[[Match], Constant]) -> Tensor:
    """A constant as the file has it, in the model's own order."""
    value = use.value
    for match in matches:
        values = torch.from_numpy(taken(match).values())
        value = match.layout.restored(rotated(values, match.constant.rotated) / match.factor, value)
    return value


def _rounded(function: Callable[..., Any], held: Held, x: Tensor) -> Tensor:
    """What a product is fed, rounded: a row are the channels of one position, which convolutions have in front."""
    if held.fed == PER_BLOCK:
        return int8_blocks(x, held.block)
    if held.fed in (PER_TENSOR, STATIC):
        return int8_tensor(x)
    return _rows(x.transpose(1, -1), held.rotated).transpose(1, -1) if function in CONVOLVED else _rows(x, held.rotated)


def _rows(x: Tensor, size: int) -> Tensor:
    """Rows rounded as they stand when they are rotated."""
    return rotated(int8_rows(rotated(x, size)), size)
