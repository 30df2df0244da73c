"""Float64 from float32 storage: weights are widened a part at a time, while that part runs.

A DiT of full size held in float64 takes 2.7 GB; widened as it goes, it takes what it takes in float32 and one layer.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn


@contextmanager
def in_float64(module: nn.Module) -> Iterator[None]:
    """Inside the block every part of `module` computes with its own tensors in float64, given float64 inputs.

    Parts may read only tensors of their own and of parts around them, as all modules of the reference do.
    """
    held: dict[Tensor, Tensor] = {}

    def widen(part: nn.Module, inputs: object) -> None:
        for tensor in _own(part):
            if tensor not in held:
                held[tensor] = tensor.data
                tensor.data = tensor.data.double()

    def narrow(part: nn.Module, inputs: object, output: object) -> None:
        for tensor in _own(part):
            if tensor in held:
                tensor.data = held.pop(tensor)

    handles = []
    for part in module.modules():
        handles.append(part.register_forward_pre_hook(widen, prepend=True))
        handles.append(part.register_forward_hook(narrow, always_call=True))  # also when a part raises
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _own(part: nn.Module) -> list[Tensor]:
    """The part's own floating-point tensors."""
    return [t for t in (*part.parameters(recurse=False), *part.buffers(recurse=False)) if t.is_floating_point()]
