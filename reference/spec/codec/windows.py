"""Encoding and decoding in overlapping windows that equals doing it at once.

Source: stable-audio-tools 0.0.20 `encode_audio` and `decode_audio` (windows a hop apart, the last one ends with the
input, half of the overlap dropped at each inner edge), which check none of their numbers. Where the input is no whole
number of groups, theirs starts the last window in the middle of one; ours rounds the length up.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Integral

from reference.spec.codec.shape import CodecShape
from reference.spec.errors import InputError
from reference.spec.model import ChunkSpec
from reference.spec.tensors import Array

CHUNK_SIZE, OVERLAP = 128, 32  # frames: upstream's defaults
Half = Callable[[Array], Array]  # one half of a codec: (batch, channel, length) to (batch, channel, length)


@dataclass(frozen=True, kw_only=True)
class Side:
    """One direction of a codec: input and output lengths of a frame, and how far it reaches, in frames."""

    name: str
    reach: int
    length_in: int
    length_out: int


def sides(shape: CodecShape) -> tuple[Side, Side]:
    """Encoding and decoding."""
    return (
        Side(name="encode", reach=shape.encode_reach, length_in=shape.ratio, length_out=1),
        Side(name="decode", reach=shape.decode_reach, length_in=1, length_out=shape.ratio),
    )


def checked_chunks(shape: CodecShape, side: Side, chunk_size: int, overlap: int) -> ChunkSpec:
    """Windows of `chunk_size` frames. Raises InputError for sizes whose result would not equal coding at once."""
    least = shape.least_overlap(side.reach)
    for name, value in (("chunk_size", chunk_size), ("overlap", overlap)):
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise InputError(f"{name} is {value!r}, expected a whole number of latent frames")
        if value % shape.alignment:
            raise InputError(
                f"{name} is {value} latent frames, expected a multiple of {shape.alignment}: this model codes "
                f"{shape.alignment} frames together, and other windows give other numbers"
            )
    if overlap < least:
        raise InputError(
            f"overlap is {overlap} latent frames, expected at least {least} to {side.name} with this model: "
            f"half of it is dropped at each edge, where {side.reach} frames depend on what is beyond"
        )
    if chunk_size <= overlap:
        raise InputError(f"chunk_size is {chunk_size} latent frames, expected more than the overlap, which is {overlap}")
    return ChunkSpec(frames=int(chunk_size), overlap=int(overlap))


def in_windows(half: Half, side: Side, chunks: ChunkSpec, frames: int, data: Array) -> Iterator[Array]:
    """What `half` makes of (batch, channel, length) `data`, piece by piece: the pieces follow each other without a gap.

    `frames` is the length of `data` in frames, rounded up to whole groups.
    """
    for start, begin, end in chunks.windows(frames):
        window = data[..., start * side.length_in : (start + chunks.frames) * side.length_in]
        yield half(window)[..., (begin - start) * side.length_out : (end - start) * side.length_out]
