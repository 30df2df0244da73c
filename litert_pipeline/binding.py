"""How a file made elsewhere is fed: which of its tensors stand for ours, and how shapes and dtypes are translated."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from reference.spec.generation import Stage
from reference.spec.tensors import Array, Signature, Tensor, Tensors

TOKENS, COND_TOKENS = "token", "cond_token"
LONGER = (TOKENS, COND_TOKENS)  # axes of which a file may have more than the model's config


@dataclass(frozen=True, kw_only=True)
class Match:
    """One of our tensors and the one of the file that stands for it.

    `position` is its place among the graph's inputs or outputs (of noise drawn inside: among its tensors), `tensor_name` what
    the graph calls it where its signature has another name. `numbers` is how many rows of conditioning are the numbers', which
    come last.
    """

    ours: Tensor
    theirs: Tensor
    position: int
    tensor_name: str
    numbers: int = 1

    def fed(self, array: Array) -> Array:
        """Our array as the file takes it: cast, continued with zeros where it has more tokens, and in its shape.

        Padding is zeros in ids, mask and rows of conditioning alike; the rows of numbers stay the last.
        """
        found = array.astype(self.theirs.dtype, copy=False)
        if found.size != int(np.prod(self.theirs.shape)):
            found = self._padded(found)
        return found.reshape(self.theirs.shape)

    def _padded(self, array: Array) -> Array:
        """Zeros between what the file has more of and what stays last."""
        axis, name = next((at, name) for at, name in enumerate(self.ours.axes) if name in LONGER)
        kept = self.numbers if name == COND_TOKENS else 0
        shape = list(array.shape)
        shape[axis] = int(np.prod(self.theirs.shape)) * array.shape[axis] // array.size - array.shape[axis]
        first, last = np.split(array, [array.shape[axis] - kept], axis=axis)
        return np.concatenate([first, np.zeros(shape, array.dtype), last], axis=axis)

    def answered(self, array: Array) -> Array:
        """The file's array in our shape. Of conditioning for more tokens the first are kept, and the rows of numbers."""
        if array.size != int(np.prod(self.ours.shape)):
            of_prompt = self.ours.shape[1] - self.numbers
            array = array.reshape(1, -1, self.ours.shape[-1])
            array = np.concatenate([array[:, :of_prompt], array[:, -self.numbers :]], axis=1)
        return array.reshape(self.ours.shape)


@dataclass(frozen=True, kw_only=True)
class Binding:
    """All tensors of a file made elsewhere. `unused` are outputs that no stage has; `probed`: shapes left a choice.

    `drawn` is noise that the file draws itself, where the stage takes it as an input: it is run as if that were one of its own.
    """

    inputs: tuple[Match, ...]
    outputs: tuple[Match, ...]
    drawn: tuple[Match, ...] = ()
    unused: tuple[Tensor, ...] = ()
    probed: bool = False

    @property
    def signature(self) -> Signature:
        """What the file takes and returns as it is run."""
        return Signature(
            inputs=tuple(match.theirs for match in (*self.inputs, *self.drawn)),
            outputs=(*(match.theirs for match in self.outputs), *self.unused),
        )

    def around(self, run: Stage, signature: Signature) -> Stage:
        """The file behind the interface of a stage, whose signature is `signature`."""

        def translated(feed: Mapping[str, Array]) -> Tensors:
            ours = signature.bind(feed)
            fed = {match.theirs.name: match.fed(ours[match.ours.name]) for match in (*self.inputs, *self.drawn)}
            answer = run(fed)
            return {match.ours.name: match.answered(answer[match.theirs.name]) for match in self.outputs}

        return translated
