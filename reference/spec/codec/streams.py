"""A sound or latents coded piece after piece: whatever their length, one window of them is held at a time."""

from collections.abc import Iterable, Iterator

import numpy as np

from reference.spec.codec.codec import Codec, sound_answer
from reference.spec.codec.latents_file import LatentsFile
from reference.spec.codec.limiter import BLOCK, limited
from reference.spec.codec.sound_file import SoundFile
from reference.spec.codec.windows import sides
from reference.spec.model import ChunkSpec
from reference.spec.tensors import Array

MARGIN = 16 * BLOCK  # samples: farther than the limiter looks


def latents_of(codec: Codec, sound: SoundFile, chunks: ChunkSpec | None) -> Iterator[Array]:
    """(latent channel, frame) pieces of a sound file's latents, whole groups of frames in all; without `chunks` it is one."""
    shape, side = codec.shape, sides(codec.shape)[0]
    frames = shape.aligned(shape.frames(sound.length))
    for start, begin, end in _windows(chunks, frames):
        long = frames if chunks is None else min(chunks.frames, frames)
        audio = sound.read(start * shape.ratio, (start + long) * shape.ratio)
        answer = sound_answer(codec.encoder(audio[None]), (1, shape.latent_channels, long), side)
        yield answer[0, :, begin - start : end - start]


def audio_of(codec: Codec, latents: LatentsFile, chunks: ChunkSpec | None, length: int) -> Iterator[Array]:
    """(audio channel, sample) pieces of the first `length` samples of a file's latents."""
    shape, side = codec.shape, sides(codec.shape)[1]
    frames, done = shape.aligned(latents.frames), 0
    for start, begin, end in _windows(chunks, frames):
        long = frames if chunks is None else min(chunks.frames, frames)
        given = latents.read(start, start + long)
        wanted = (1, shape.audio_channels, shape.aligned(given.shape[2]) * shape.ratio)
        answer = sound_answer(codec.decoder(given), wanted, side)
        piece = answer[0, :, (begin - start) * shape.ratio : (end - start) * shape.ratio][:, : length - done]
        done += piece.shape[1]
        if piece.size:
            yield piece


def limited_pieces(pieces: Iterable[Array]) -> Iterator[Array]:
    """What `limited` makes of them all together, piece by piece."""
    held, given = None, 0
    for piece in pieces:
        held = piece if held is None else np.concatenate([held, piece], axis=1)
        ready = (held.shape[1] - MARGIN) // BLOCK * BLOCK
        if ready > given:
            yield limited(held)[:, given:ready]
            kept = max(ready - MARGIN, 0)
            held, given = held[:, kept:], ready - kept
    if held is not None:
        yield limited(held)[:, given:]


def _windows(chunks: ChunkSpec | None, frames: int) -> list[tuple[int, int, int]]:
    return [(0, 0, frames)] if chunks is None else chunks.windows(frames)
