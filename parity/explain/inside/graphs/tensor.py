"""A tensor inside a converted graph."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class GraphTensor:
    """A float tensor. `owners` are the paths of the modules it is named after, `key` is how the runtime finds it."""

    name: str
    key: int | str
    owners: tuple[str, ...]
    shape: tuple[int, ...]
