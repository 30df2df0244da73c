"""A stage whose modules' answers are noted, for whoever looks for the one that is wrong."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx import nn

from parity.runtimes.mlx_port.stage import MlxStage
from reference.spec.tensors import Array, Signature

Note = Callable[[str, Any], None]
COMPUTE = "fp32"  # what is wrong inside shows in float32, whatever a file is computed in


class NotedStage:
    """A file's module; `noted` gives what every part of it answers."""

    def __init__(self, path: Path, signature: Signature) -> None:
        self._stage = MlxStage(path, signature, COMPUTE)
        self._found: dict[str, mx.array] = {}
        for name, part in list(self._stage.module.named_modules()):
            if name:
                part.__class__ = noting(type(part), name, self._note)

    def noted(self, feed: Mapping[str, Array]) -> dict[str, Array]:
        """Answers by module path, in the order they are given, channels last."""
        self._found = {}
        self._stage(feed)
        mx.eval(self._found)
        return {name: np.array(answer.astype(mx.float32)) for name, answer in self._found.items()}

    def _note(self, path: str, answer: Any) -> None:
        if isinstance(answer, mx.array):
            self._found[path] = answer


def noting(kind: type[nn.Module], path: str, note: Note) -> type[nn.Module]:
    """The same kind of module, which notes what it answers: MLX has no hooks."""

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        answer = kind.__call__(self, *args, **kwargs)
        note(path, answer)
        return answer

    return type(kind.__name__, (kind,), {"__call__": call})
