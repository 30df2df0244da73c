"""Stages that are open, as many as fit: at full size a DiT and what its runtime makes of it take 2.7 GB."""

from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field

from reference.spec.generation import Stage

HELD_BYTES = 2**30  # of files and weights: all stages of small models
ONE_AT_A_TIME = 0


@dataclass
class OpenStages:
    """Open stages by key. Beyond `held_bytes` those used longest ago are closed, and opened again when asked for."""

    held_bytes: int = HELD_BYTES
    _stages: dict[Hashable, tuple[Stage, int, ExitStack]] = field(default_factory=dict)  # the one last used is last

    def stage(self, key: Hashable, size_bytes: int, open_stage: Callable[[], AbstractContextManager[Stage]]) -> Stage:
        """The stage called `key`, opened if it is not; use it before asking for the next."""
        if key not in self._stages:
            self._make_room(size_bytes)
            with ExitStack() as stack:
                stage = stack.enter_context(open_stage())
                self._stages[key] = stage, size_bytes, stack.pop_all()
        self._stages[key] = self._stages.pop(key)
        return self._stages[key][0]

    def close(self) -> None:
        """Close all."""
        while self._stages:
            self._close(next(iter(self._stages)))

    def _make_room(self, size_bytes: int) -> None:
        while self._stages and size_bytes + sum(size for _, size, _ in self._stages.values()) > self.held_bytes:
            self._close(next(iter(self._stages)))

    def _close(self, key: Hashable) -> None:
        self._stages.pop(key)[2].close()
