"""How a file made elsewhere is fed: which of its tensors stand for ours, and how shapes and dtypes are translated."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from reference.spec.generation import Stage
from reference.spec.tensors import Array, Signature, Tensor, Tensors


@dataclass(frozen=True, kw_only=True)
class Match:
    """One of our tensors and the one of the file that stands for it.

    `position` is its place among the graph's inputs or outputs, `tensor_name` what the graph calls it where its signature
    has another name.
    """

    ours: Tensor
    theirs: Tensor
    position: int
    tensor_name: str

    def fed(self, array: Array) -> Array:
        """Our array as the file takes it: cast, continued with zeros where it is longer, and in its shape."""
        found = array.astype(self.theirs.dtype, copy=False)
        missing = int(np.prod(self.theirs.shape)) - found.size
        if missing:  # tokens: padding is zeros in ids and mask alike
            found = np.pad(found, [(0, 0)] * (found.ndim - 1) + [(0, missing // int(np.prod(found.shape[:-1])))])
        return found.reshape(self.theirs.shape)

    def answered(self, array: Array) -> Array:
        """The file's array in our shape. Of conditioning for more tokens the first are kept, and the row of seconds."""
        if array.size != int(np.prod(self.ours.shape)):
            rows = self.ours.shape[1]
            array = array.reshape(1, -1, self.ours.shape[-1])
            array = np.concatenate([array[:, : rows - 1], array[:, -1:]], axis=1)
        return array.reshape(self.ours.shape)


@dataclass(frozen=True, kw_only=True)
class Binding:
    """All tensors of a file made elsewhere. `unused` are outputs that no stage has; `probed`: shapes left a choice."""

    inputs: tuple[Match, ...]
    outputs: tuple[Match, ...]
    unused: tuple[Tensor, ...] = ()
    probed: bool = False

    @property
    def signature(self) -> Signature:
        """What the file itself takes and returns."""
        return Signature(
            inputs=tuple(match.theirs for match in self.inputs),
            outputs=(*(match.theirs for match in self.outputs), *self.unused),
        )

    def around(self, run: Stage, signature: Signature) -> Stage:
        """The file behind the interface of a stage, whose signature is `signature`."""

        def translated(feed: Mapping[str, Array]) -> Tensors:
            ours = signature.bind(feed)
            answer = run({match.theirs.name: match.fed(ours[match.ours.name]) for match in self.inputs})
            return {match.ours.name: match.answered(answer[match.theirs.name]) for match in self.outputs}

        return translated
