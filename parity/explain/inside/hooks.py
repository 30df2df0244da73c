"""Look over the shoulder of a running module."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

# path, module, its positional inputs, its output; a tensor that is returned takes the output's place
Visit = Callable[[str, nn.Module, tuple[Any, ...], Tensor], Tensor | None]


@contextmanager
def hooked(module: nn.Module, visit: Visit) -> Iterator[None]:
    """Call `visit` after every inner module that returns one tensor, innermost first."""
    handles = [
        part.register_forward_hook(_hook(path, visit))
        for path, part in module.named_modules()
        if path and not isinstance(part, nn.ModuleList)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _hook(path: str, visit: Visit) -> Callable[[nn.Module, Any, Any], Tensor | None]:
    def hook(module: nn.Module, args: Any, output: Any) -> Tensor | None:
        return visit(path, module, args, output) if isinstance(output, Tensor) else None

    return hook
