"""A codec's file with a signature for each of some lengths, run as a stage over windows of any length that it codes exactly."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np

from litert_pipeline.binding import Binding
from litert_pipeline.bundle import Bundle
from litert_pipeline.rungs import Rungs, exact_frames, windows_over
from reference.spec.codec.shape import CodecShape
from reference.spec.codec.windows import in_windows, sides
from reference.spec.errors import InputError
from reference.spec.generation import Stage
from reference.spec.stages import CODEC_STAGES, PRESENT
from reference.spec.tensors import Array, Signature, Tensors

Opening = Callable[[Signature], AbstractContextManager[Stage]]


@contextmanager
def opened_stage(bundle: Bundle, name: str, opening: Opening) -> Iterator[Stage]:
    """A stage of a bundle behind its own interface; `opening` opens the signature of the file that has these tensors."""
    entry, shape = bundle.manifest.stages[name], bundle.manifest.codec
    if not isinstance(entry.binding, Rungs):
        with opening(entry.own_signature) as run:
            yield entry.translated(run)
        return
    assert shape is not None, "only a codec's files have rungs"
    with _opened_rungs(name, entry.binding, shape, opening) as run:
        yield run


@contextmanager
def _opened_rungs(name: str, binding: Rungs, shape: CodecShape, opening: Opening) -> Iterator[Stage]:
    """The longest is opened now, any other when it is first run."""
    with ExitStack() as stack:
        opened: dict[int, Stage] = {}

        def rung(frames: int) -> Stage:
            if frames not in opened:
                opened[frames] = stack.enter_context(opening(binding.rungs[frames].signature))
            return opened[frames]

        rung(max(binding.rungs))
        yield _Ladder(name=name, binding=binding, shape=shape, rung=rung)


@dataclass(frozen=True, kw_only=True)
class _Ladder:
    """Takes a window and `present`, as every file of a codec does; what is behind the end is answered with zeros."""

    name: str
    binding: Rungs
    shape: CodecShape
    rung: Callable[[int], Stage]

    def __call__(self, feed: Mapping[str, Array]) -> Tensors:
        """Raises InputError for a length that the file does not code exactly."""
        side = sides(self.shape)[CODEC_STAGES.index(self.name)]
        (given,), (made,) = self.binding.inputs, self.binding.outputs
        window, there = feed[given.ours.name], int(feed[PRESENT.name].sum())
        frames = exact_frames(self.name, there, self.shape)
        windows = None if frames is None else windows_over(self.binding.rungs, frames, side, self.shape)
        if windows is None or frames is None:
            rungs = ", ".join(map(str, sorted(self.binding.rungs)))
            raise InputError(f"{self.name}: no signature codes {there} frames exactly, there are those of {rungs}")
        data = window[..., : frames * side.length_in]
        found = np.concatenate(list(in_windows(self._run, side, windows, frames, data)), axis=2)
        answer = np.zeros((*found.shape[:2], window.shape[2] // side.length_in * side.length_out), found.dtype)
        answer[..., : found.shape[2]] = found
        return {made.ours.name: answer}

    def _run(self, data: Array) -> Array:
        """A window of one of the lengths."""
        side = sides(self.shape)[CODEC_STAGES.index(self.name)]
        frames = data.shape[2] // side.length_in
        return _answered(self.binding.rungs[frames], self.rung(frames), data)


def _answered(binding: Binding, run: Stage, data: Array) -> Array:
    (given,), (made,) = binding.inputs, binding.outputs
    return made.answered(run({given.theirs.name: given.fed(data)})[made.theirs.name])
