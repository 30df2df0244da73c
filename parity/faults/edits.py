"""Tools to make a module wrong.

Every edit gets a copy of a stage's module, may change it, and returns what is to be used. The same edit gives the same
module in every process, for what is added to a clean file's answers has to be what is converted.
"""

from collections.abc import Callable
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from parity.faults.bench import Edit


def override(part: nn.Module, forward: Callable[..., Any]) -> None:
    """Give one module another `forward(self, ...)`; its class, and so its name in a converted graph, stays."""
    part.forward = MethodType(forward, part)


def at(path: str, change: Callable[[Any], None]) -> Edit:
    """Change the module at `path`."""

    def edit(module: nn.Module) -> nn.Module:
        change(module.get_submodule(path))
        return module

    return edit


def everywhere(kind: type[nn.Module], change: Callable[[Any], None]) -> Edit:
    """Change every module of one class."""

    def edit(module: nn.Module) -> nn.Module:
        for path in _paths(module, kind):
            change(module.get_submodule(path))
        return module

    return edit


def _paths(module: nn.Module, kind: type[nn.Module]) -> list[str]:
    found = [path for path, part in module.named_modules() if type(part) is kind]
    if not found:
        raise ValueError(f"no {kind.__name__} to change in {type(module).__name__}")
    return found


def in_the_place_of(path: str, make: Callable[[Any], nn.Module]) -> Edit:
    """Put something else in the place of the module at `path`. What folds or freezes modules leaves it alone."""

    def edit(module: nn.Module) -> nn.Module:
        parent, _, name = path.rpartition(".")
        module.get_submodule(parent).register_module(name, make(module.get_submodule(path)))
        return module

    return edit


def replaced(kind: type[nn.Module], make: Callable[[Any], nn.Module]) -> Edit:
    """Put something else in the place of every module of one class."""

    def edit(module: nn.Module) -> nn.Module:
        for path in _paths(module, kind):
            in_the_place_of(path, make)(module)
        return module

    return edit


def overriding(kind: type[nn.Module], forward: Callable[..., Any]) -> Edit:
    """Give every module of one class another `forward`."""
    return everywhere(kind, lambda part: override(part, forward))


def answer(change: Callable[..., dict[str, Tensor]]) -> Edit:
    """Another `forward` for the stage as a whole; `change(self, right, **inputs)` may call the right one."""

    def edit(module: nn.Module) -> nn.Module:
        right = type(module).forward

        def forward(self: Any, **inputs: Tensor) -> dict[str, Tensor]:
            return change(self, lambda **others: right(self, **(inputs | others)), **inputs)

        override(module, forward)
        return module

    return edit


def weights(change: Callable[[Tensor], Tensor], *paths: str) -> Edit:
    """Change kernels and matrices whose names contain one of `paths`, or all of them."""

    def edit(module: nn.Module) -> nn.Module:
        named = module.named_parameters()
        found = [p for name, p in named if p.ndim > 1 and (not paths or any(path in name for path in paths))]
        if not found:
            raise ValueError(f"no parameter is called like {paths}")
        for parameter in found:
            parameter.copy_(change(parameter))
        return module

    return edit


def other_weights(amount: float, seed: int) -> Edit:
    """Weights `amount` of their own size away, in a direction drawn from `seed`; 1 leaves nothing of them."""

    def edit(module: nn.Module) -> nn.Module:
        generator = torch.Generator().manual_seed(seed)
        for weight in module.parameters():
            drawn = torch.randn(weight.shape, generator=generator, dtype=torch.float32).to(weight.dtype)
            size = weight.square().mean().sqrt()
            weight.copy_(weight * (1 - amount**2) ** 0.5 + amount * size * drawn)
        return module

    return edit


def int8_per_tensor(weight: Tensor) -> Tensor:
    """What INT8 with one scale for all channels keeps of a tensor."""
    scale = weight.abs().amax().clamp(min=torch.finfo(weight.dtype).tiny) / 127
    kept: Tensor = (weight / scale).round() * scale
    return kept
