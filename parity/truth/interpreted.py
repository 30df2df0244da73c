"""A stage of the reference run operator by operator, to see what in it depends on no input: the model's constants.

A converter computes beforehand whatever it can: kernels of normed weights, tables of sines, exponentials of gains. Which of
these a file may hold follows from the reference's own code, so nothing about any layer is written down here.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from parity.measure.budget import UNIT_ROUNDOFF
from reference.spec.tensors import Signature

GAIN, SHIFT = "gain", "shift"  # what a norm multiplies with and adds
ANGULAR = (torch.cos, torch.sin, Tensor.cos, Tensor.sin)
MULTIPLYING = (GAIN, "mul", "rmul")
ROUNDINGS = 8  # of float32, that computing a constant beforehand may cost: a length, a product, a quotient


@dataclass(frozen=True, kw_only=True)
class Use:
    """A constant where it first meets what depends on an input.

    `place`: the how manieth one met in a run, the same in every run. `operator`: what they meet in, "gain" or "shift" of a
    norm. `origins`: the stored tensors it is computed from. `derived`: it is not simply one of these, but computed; then
    `rounding` is how far float32 may be off, absolutely. `gain`: what the product's feed was multiplied with just before,
    channel by channel: a converter may have moved it into this matrix.
    """

    place: int
    operator: str
    value: Tensor
    origins: tuple[str, ...]
    derived: bool
    rounding: float = 0.0
    gain: "Use | None" = None

    @property
    def name(self) -> str:
        """What a person knows it by."""
        return ", ".join(self.origins) or f"a table of {self.operator}"


@dataclass(frozen=True, kw_only=True)
class _Known:
    """Where a constant comes from."""

    origins: tuple[str, ...] = ()
    derived: bool = True
    rounding: float = 0.0


UNKNOWN = _Known()


class Interpreter(TorchFunctionMode):
    """While it is active, every operator that meets an input or what follows from one is looked at.

    Subclasses say what is done with a constant (`met`), with the operator itself (`apply`) and with one on constants alone
    (`constant`).
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._met = 0
        self._variable: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
        self._known: WeakTensorKeyDictionary = WeakTensorKeyDictionary()
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            self._known[tensor] = self._known_as(tensor, _Known(origins=(name,), derived=False))

    def feed(self, tensor: Tensor) -> Tensor:
        """Mark an input."""
        self._variable[tensor] = True
        return tensor

    def met(self, use: Use) -> Tensor:
        """What stands in for a constant where it is met."""
        return use.value

    def apply(self, function: Callable[..., Any], args: Any, kwargs: Any, uses: list[Use]) -> Any:
        """The operator's result."""
        return function(*args, **kwargs)

    def __torch_function__(
        self, function: Callable[..., Any], types: Iterable[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        tensors = _tensors((args, kwargs))
        fixed = {id(tensor): tensor for tensor in tensors if tensor not in self._variable}
        if all(id(tensor) in fixed for tensor in tensors):
            return self.constant(function, args, kwargs, tensors)
        uses = [self._use(function, kwargs, tensor) for tensor in fixed.values()]
        if uses:
            args, kwargs = _exchanged((args, kwargs), {id(use.value): self.met(use) for use in uses})
        result = self.apply(function, args, kwargs, uses)
        for tensor in _tensors(result):
            self._variable[tensor] = True
        return result

    def _known_as(self, tensor: Tensor, otherwise: _Known = UNKNOWN) -> _Known:
        """Where a constant comes from; one that was made outside of torch comes from nowhere."""
        found: _Known = self._known.get(tensor, otherwise)  # type: ignore[no-untyped-call]
        return found

    def _use(self, function: Callable[..., Any], kwargs: Any, tensor: Tensor) -> Use:
        known = self._known_as(tensor)
        self._met += 1
        return Use(
            place=self._met - 1, operator=_role(function, kwargs, tensor), value=tensor, origins=known.origins,
            derived=known.derived, rounding=known.rounding if known.derived else 0.0,
        )  # fmt: skip

    def constant(self, function: Callable[..., Any], args: Any, kwargs: Any, tensors: list[Tensor]) -> Any:
        """The result of an operator on constants alone, which is one."""
        result = function(*args, **kwargs)
        found = [self._known_as(tensor) for tensor in tensors]
        origins = tuple(dict.fromkeys(name for known in found for name in known.origins))
        for tensor in _tensors(result):
            if tensor not in self._known:
                self._known[tensor] = _Known(
                    origins=origins,
                    derived=any(known.derived for known in found) or not _rearranged(tensor, tensors),
                    rounding=max((known.rounding for known in found), default=0.0)
                    or _rounding(function, tensor, tensors),
                )
        return result


class Uses(Interpreter):
    """All constants of a module, `found` in one run with inputs that have shapes and no values: nothing else is computed.

    `numbers` are the plain numbers its operators take.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__(module)
        self.found: list[Use] = []
        self.numbers: set[float] = set()
        self._gains: WeakTensorKeyDictionary = WeakTensorKeyDictionary()

    def met(self, use: Use) -> Tensor:
        self.found.append(self._seen_before(use))
        return use.value.to("meta")

    def _seen_before(self, use: Use) -> Use:
        """The same use; a constant computed again, as in a window after the other, is held once."""
        alike = (
            other
            for other in self.found
            if use.derived and (other.operator, other.origins) == (use.operator, use.origins)
        )
        same = next((other for other in alike if torch.equal(other.value, use.value)), use)
        return replace(use, value=same.value)

    def apply(self, function: Callable[..., Any], args: Any, kwargs: Any, uses: list[Use]) -> Any:
        self.numbers.update(float(arg) for arg in (*args, *kwargs.values()) if type(arg) is float)
        fed = args[0] if args else None
        if function is F.linear and isinstance(fed, Tensor) and fed in self._gains:
            self.found[-len(uses)] = replace(uses[0], gain=self._gains[fed])
        result = function(*args, **kwargs)
        gain = _gain(uses)
        if gain is not None and gain.value.numel() == result.shape[-1]:
            self._gains[result] = gain
        return result


def uses_of(module: nn.Module, signature: Signature) -> Uses:
    """Every constant of a stage's module where it is used, in the order of the run."""
    found = Uses(module)
    feed = {
        tensor.name: found.feed(torch.empty(tensor.shape, dtype=getattr(torch, tensor.dtype), device="meta"))
        for tensor in signature.inputs
    }
    with torch.no_grad(), found:
        module(**feed)
    return found


def _gain(uses: list[Use]) -> Use | None:
    """What an operator multiplies every channel with, if that is all it does."""
    gains = [use for use in uses if use.operator in MULTIPLYING and sum(axis > 1 for axis in use.value.shape) == 1]
    return gains[0] if len(gains) == 1 and not any(use.value.any() for use in uses if use is not gains[0]) else None


def _role(function: Callable[..., Any], kwargs: Mapping[str, Any], tensor: Tensor) -> str:
    if function is F.layer_norm:
        return GAIN if kwargs.get("weight") is tensor else SHIFT
    return str(getattr(function, "__name__", function)).strip("_")


def _rearranged(result: Tensor, tensors: list[Tensor]) -> bool:
    """Whether a result is one of these in another order, or a part of one."""
    return any(result.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr() for tensor in tensors)


def _rounding(function: Callable[..., Any], result: Tensor, tensors: list[Tensor]) -> float:
    """How far float32 may be off: a sine by what its angle is, all else by what the result is."""
    from_ = tensors[0] if function in ANGULAR else result
    return (
        ROUNDINGS * UNIT_ROUNDOFF * float(from_.abs().max()) if result.is_floating_point() and result.numel() else 0.0
    )


def _tensors(nested: Any) -> list[Tensor]:
    """All tensors in tuples, lists and dicts."""
    if isinstance(nested, Tensor):
        return [nested]
    if isinstance(nested, dict):
        nested = tuple(nested.values())
    return [tensor for entry in nested for tensor in _tensors(entry)] if isinstance(nested, (tuple, list)) else []


def _exchanged(nested: Any, standing: Mapping[int, Tensor]) -> Any:
    """The same with some tensors put in the place of others, which are known by their ids."""
    if isinstance(nested, Tensor):
        return standing.get(id(nested), nested)
    if isinstance(nested, dict):
        return {name: _exchanged(entry, standing) for name, entry in nested.items()}
    if type(nested) in (tuple, list):
        return type(nested)(_exchanged(entry, standing) for entry in nested)
    return nested
