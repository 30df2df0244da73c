"""A codec as its users know it: audio in, latents out, and back. Whoever runs the two halves fills it in."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np

from reference.spec.codec.latents import checked_latents
from reference.spec.codec.shape import CodecShape
from reference.spec.codec.waveforms import Rates, Waveforms, batched
from reference.spec.codec.windows import CHUNK_SIZE, OVERLAP, Half, Side, checked_chunks, in_windows, sides
from reference.spec.errors import InputError
from reference.spec.model import ChunkSpec
from reference.spec.tensors import Array


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """Latents (item, latent channel, frame). Of item i the first `frames[i]` frames hold its `lengths[i]` samples (at the
    codec's rate); what follows is encoded silence."""

    latents: Array
    lengths: tuple[int, ...]
    frames: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Codec:
    """`encoder` takes audio of whole groups of frames, `decoder` latents of any length; both (batch, channel, length).

    Of a last group that is not whole the decoder answers for the whole group. `windows` are those that a half runs in whatever it
    is asked, to encode and to decode; None where it takes all at once.
    """

    shape: CodecShape
    encoder: Half
    decoder: Half
    windows: tuple[ChunkSpec, ChunkSpec] | None = None

    def encode(
        self,
        audio: Waveforms,
        sample_rate_hz: Rates,
        *,
        chunked: bool = False,
        chunk_size: int = CHUNK_SIZE,
        overlap: int = OVERLAP,
    ) -> Encoded:
        """Encode one waveform or several, of different lengths and rates; `chunk_size` and `overlap` are in latent frames.

        A waveform is (sample,) or (channel, sample) floats; see `batched`. A shorter one of several is followed by silence,
        so its last frames are not those it has alone. `chunked` takes less memory and gives the same numbers, but for
        rounding. Raises InputError for audio, rates and windows that would silently give something else.
        """
        side, _ = sides(self.shape)
        chunks = checked_chunks(self.shape, side, chunk_size, overlap) if chunked else None
        batch = batched(audio, sample_rate_hz, self.shape)
        frames = batch.audio.shape[2] // self.shape.ratio
        if chunks is None:
            latents = self.encoder(batch.audio)
        else:
            latents = np.concatenate(list(in_windows(self.encoder, side, chunks, frames, batch.audio)), axis=2)
        wanted = (len(batch.lengths), self.shape.latent_channels, frames)
        own = tuple(self.shape.frames(length) for length in batch.lengths)
        return Encoded(latents=sound_answer(latents, wanted, side), lengths=batch.lengths, frames=own)

    def decode(
        self,
        latents: Array,
        *,
        chunked: bool = False,
        chunk_size: int = CHUNK_SIZE,
        overlap: int = OVERLAP,
        length: int | None = None,
    ) -> Array:
        """Audio (item, audio channel, sample) of latents (item, latent channel, frame) or (latent channel, frame).

        It has `ratio` samples for each frame, or the first `length` of them; nothing is clipped. Raises InputError for
        latents and windows that would silently give something else, and for an answer that is not finite.
        """
        _, side = sides(self.shape)
        chunks = checked_chunks(self.shape, side, chunk_size, overlap) if chunked else None
        latents = checked_latents(latents, self.shape)
        frames = latents.shape[2]
        samples = checked_length(length, frames * self.shape.ratio)
        if chunks is None:
            audio = self.decoder(latents)
        else:
            pieces = in_windows(self.decoder, side, chunks, self.shape.aligned(frames), latents)
            audio = np.concatenate(list(pieces), axis=2)
        whole = (latents.shape[0], self.shape.audio_channels, self.shape.aligned(frames) * self.shape.ratio)
        return sound_answer(audio, whole, side)[..., :samples]

    def trimmed(self, audio: Array, lengths: Sequence[int]) -> list[Array]:
        """Each item of decoded audio cut to its own length, such as `Encoded.lengths`; (audio channel, sample) each."""
        return [item[:, : checked_length(length, item.shape[1])] for item, length in zip(audio, lengths, strict=True)]


def checked_length(length: int | None, most: int) -> int:
    """How many samples to keep of so many; all for None. Raises InputError for more than there are."""
    if length is None:
        return most
    if isinstance(length, bool) or not isinstance(length, Integral) or not 1 <= length <= most:
        raise InputError(f"length is {length!r} samples, expected 1 to {most}, which is what the latents hold")
    return int(length)


def sound_answer(answer: Array, shape: tuple[int, ...], side: Side) -> Array:
    """A half's answer, which must be of this shape and finite."""
    if answer.shape != shape:
        raise InputError(f"to {side.name} gave shape {list(answer.shape)}, expected {list(shape)}; the model does not fit")
    if not np.isfinite(answer).all():
        raise InputError(f"to {side.name} gave NaN or infinity; the model or its input is damaged")
    return answer
