"""A bundle of a codec as an object over numpy arrays: any length, one window of a file after the other.

Windows overlap by as much as an output depends on what is beyond an edge, so no number differs from coding at once; what a
window of the file holds besides the end of the sound is not coded. Twin of `reference/codec.py`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np

from litert_pipeline.bundle import Bundle, StageFile
from litert_pipeline.run.open_stages import ONE_AT_A_TIME, OpenStages
from litert_pipeline.run.pipeline import open_stage
from reference.spec.codec.codec import Codec
from reference.spec.codec.shape import CodecShape
from reference.spec.codec.windows import Half, Side, sides
from reference.spec.errors import InputError
from reference.spec.generation import Stage
from reference.spec.model import ChunkSpec
from reference.spec.stages import PRESENT, SAME_DECODER, SAME_ENCODER
from reference.spec.tensors import Array


@contextmanager
def open_codec(bundle: Bundle, *, compute: str | None = None, threads: int = 1) -> Iterator[Codec]:
    """The codec of a bundle; of its two files the one that is used is open.

    Raises InputError for a bundle that generates, one of another format, and an altered file.
    """
    shape = shape_of(bundle)
    bundle.require_intact()
    opened = OpenStages(held_bytes=ONE_AT_A_TIME)

    def stage(name: str) -> Stage:
        entry, opening = bundle.manifest.stages[name], partial(open_stage, bundle, name, compute=compute, threads=threads)
        return lambda feed: opened.stage(name, entry.size_bytes, opening)(feed)

    encode, decode = (
        ChunkSpec(frames=_frames(bundle.manifest.stages[name]), overlap=shape.least_overlap(side.reach))
        for name, side in zip((SAME_ENCODER, SAME_DECODER), sides(shape), strict=True)
    )
    encoding, decoding = sides(shape)
    try:
        yield Codec(
            shape=shape,
            encoder=over_windows(stage(SAME_ENCODER), ("audio", "latents"), encoding, encode, shape.alignment),
            decoder=over_windows(stage(SAME_DECODER), ("latents", "audio"), decoding, decode, shape.alignment),
            windows=(encode, decode),
        )
    finally:
        opened.close()


def shape_of(bundle: Bundle) -> CodecShape:
    """Of the codec of a bundle. Raises InputError for a bundle that generates, and one of another format."""
    shape = bundle.manifest.codec
    if shape is None or bundle.manifest.format != "litert":
        kind = bundle.manifest.format if shape is not None else "generating"
        raise InputError(f"{bundle.folder}: is a {kind} bundle, expected a LiteRT one of a codec; convert a codec's model dir")
    return shape


def _frames(entry: StageFile) -> int:
    """Of the windows that a file takes."""
    return next(tensor.axes["frame"] for tensor in entry.signature.inputs if tensor.name == PRESENT.name)


def over_windows(stage: Stage, ports: tuple[str, str], side: Side, windows: ChunkSpec, alignment: int) -> Half:
    """A half of a codec for any length, from a stage over one window; `ports` are its input and its output."""

    def half(data: Array) -> Array:
        return np.concatenate([_whole(stage, ports, side, windows, alignment, item[None]) for item in data])

    return half


def _whole(stage: Stage, ports: tuple[str, str], side: Side, windows: ChunkSpec, alignment: int, data: Array) -> Array:
    """(1, channel, length) of one item, the answer of each window put into its place."""
    there = -(-data.shape[2] // side.length_in)
    total = -(-there // alignment) * alignment
    found: Array | None = None
    for start, begin, end in windows.windows(total):
        answer = stage(_window(data, ports[0], side, start, windows.frames, there))[ports[1]]
        if found is None:
            found = np.empty((*answer.shape[:2], total * side.length_out), answer.dtype)
        kept = slice(begin * side.length_out, end * side.length_out)
        found[..., kept] = answer[..., (begin - start) * side.length_out : (end - start) * side.length_out]
    assert found is not None, "there is at least one window"
    return found


def _window(data: Array, port: str, side: Side, start: int, frames: int, there: int) -> dict[str, Array]:
    """What a stage is fed for the window that begins at frame `start`: zeros behind the end, and where that is."""
    part = data[..., start * side.length_in : (start + frames) * side.length_in]
    window = np.zeros((*data.shape[:2], frames * side.length_in), np.float32)
    window[..., : part.shape[2]] = part
    present = (np.arange(frames) < there - start).astype(np.float32)[None]
    return {port: window, PRESENT.name: present}
