"""Which of a file's tensors stand for which of ours: by shape and dtype, as far as these tell."""

from collections.abc import Collection, Iterator
from itertools import permutations

from litert_pipeline.binding import LONGER, Binding, Match
from parity.bundles.interface import FileTensor, Interface
from reference.spec.tensors import Signature, Tensor

INTEGERS = ("int32", "int64")
FLOATS = ("float32", "float16")


def assignments(
    interface: Interface, signature: Signature, draws: Collection[str] = (), numbers: int = 1
) -> list[Binding]:
    """Every way to feed all inputs of the file and to find all outputs of the stage, in the file's own order first.

    Inputs called in `draws` are noise, which a file may draw itself instead. A model is told so many `numbers` beside the prompt.
    """
    noise = tuple(tensor for tensor in signature.inputs if tensor.name in draws)
    found = _bindings(interface, signature.inputs, (), signature.outputs, numbers)
    if found or not noise:
        return found
    others = tuple(tensor for tensor in signature.inputs if tensor not in noise)
    return _bindings(interface, others, noise, signature.outputs, numbers)


def _bindings(
    interface: Interface, taken: tuple[Tensor, ...], drawn: tuple[Tensor, ...], given: tuple[Tensor, ...], numbers: int
) -> list[Binding]:
    return [
        Binding(
            inputs=inputs,
            outputs=outputs,
            drawn=noise,
            unused=tuple(
                _resolved(tensor, None) for tensor in interface.outputs if tensor.name not in {m.theirs.name for m in outputs}
            ),
        )
        for inputs in _ways(taken, interface.inputs, numbers)
        if len(inputs) == len(interface.inputs)
        for noise in _ways(drawn, interface.drawn, numbers)
        for outputs in _ways(given, interface.outputs, numbers)
    ]


def _ways(ours: tuple[Tensor, ...], theirs: tuple[FileTensor, ...], numbers: int) -> Iterator[tuple[Match, ...]]:
    for chosen in permutations(theirs, len(ours)):
        if all(_fits(one, other) for one, other in zip(ours, chosen, strict=True)):
            yield tuple(
                Match(
                    ours=one, theirs=_resolved(other, one), position=other.position, tensor_name=other.tensor_name,
                    numbers=numbers,
                )
                for one, other in zip(ours, chosen, strict=True)
            )  # fmt: skip


def _fits(ours: Tensor, theirs: FileTensor) -> bool:
    if theirs.dtype not in (INTEGERS if ours.dtype in INTEGERS else FLOATS):
        return False
    wanted, found = _essential(ours.shape), _essential(theirs.shape)
    if len(wanted) != len(found):
        return None in theirs.shape and _open(ours, theirs)
    more = [name in LONGER for name, length in ours.axes.items() if length != 1]
    pairs = zip(wanted, found, more, strict=True)
    return all(other in (None, one) or (longer and (other or 0) > (one or 0)) for one, other, longer in pairs)


def _open(ours: Tensor, theirs: FileTensor) -> bool:
    """Open axes are taken to be ours where the number of axes is the same."""
    return len(ours.shape) == len(theirs.shape) and all(
        other in (None, one) for one, other in zip(ours.shape, theirs.shape, strict=True)
    )


def _essential(shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
    """Axes that are not 1: (1, 2, n) and (2, n) hold the same values in the same order."""
    return tuple(axis for axis in shape if axis != 1)


def _resolved(theirs: FileTensor, ours: Tensor | None) -> Tensor:
    """Their tensor with open axes as long as ours, or one long."""
    same = ours is not None and len(ours.shape) == len(theirs.shape)
    lengths = ours.shape if ours is not None and same else (1,) * len(theirs.shape)
    axes = {f"axis {i}": axis or lengths[i] for i, axis in enumerate(theirs.shape)}
    return Tensor(name=theirs.name, axes=axes, dtype=theirs.dtype)
