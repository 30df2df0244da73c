"""What a codec does with files: encode, decode, there and back. Whoever runs it; every verb says what it wrote."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from reference.spec.audio import ENCODINGS, new_wav
from reference.spec.codec.codec import Codec, Encoded, checked_length
from reference.spec.codec.latents_file import LatentsFile, new_latents, open_latents
from reference.spec.codec.shape import CodecShape
from reference.spec.codec.sound_file import SoundFile, open_sound_file
from reference.spec.codec.streams import audio_of, latents_of, limited_pieces
from reference.spec.codec.windows import CHUNK_SIZE, OVERLAP, checked_chunks, sides
from reference.spec.errors import InputError
from reference.spec.files import check_file
from reference.spec.model import ChunkSpec
from reference.spec.tensors import Array

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Whether and how to code in windows, in latent frames."""

    chunked: bool = False
    chunk_size: int = CHUNK_SIZE
    overlap: int = OVERLAP

    def __post_init__(self) -> None:
        if not self.chunked and (self.chunk_size, self.overlap) != (CHUNK_SIZE, OVERLAP):
            raise InputError("chunk_size and overlap have no effect without windows; give --chunked or leave them out")

    def check_encoding(self, shape: CodecShape) -> None:
        """Find out before long work whether that codec can encode so. Raises InputError if not."""
        if self.chunked:
            checked_chunks(shape, sides(shape)[0], self.chunk_size, self.overlap)

    def of(self, codec: Codec) -> tuple[ChunkSpec | None, ChunkSpec | None]:
        """Those to encode and to decode in: as asked for, else as the codec runs anyway, else none. Raises InputError for windows
        whose result would not equal coding at once."""
        if not self.chunked:
            return codec.windows or (None, None)
        encode, decode = sides(codec.shape)
        asked = (self.chunk_size, self.overlap)
        return checked_chunks(codec.shape, encode, *asked), checked_chunks(codec.shape, decode, *asked)

    def encode(self, codec: Codec, audio: Array, rate_hz: int) -> Encoded:
        """Audio to latents."""
        return codec.encode(audio, rate_hz, chunked=self.chunked, chunk_size=self.chunk_size, overlap=self.overlap)


@dataclass(frozen=True, kw_only=True)
class Output:
    """Where sound goes, and as what: one of `ENCODINGS`, its peaks turned down if `limit`."""

    path: Path
    encoding: str = "float32"
    limit: bool = False
    force: bool = False

    def check(self, reads: Iterable[Path]) -> None:
        """Find out before long work whether it can be written from what it reads. Raises InputError if not."""
        check_file(self.path, self.force, reads)
        if self.encoding not in ENCODINGS:
            raise InputError(f"encoding '{self.encoding}' is unknown; valid encodings: {', '.join(ENCODINGS)}")

    def write(self, pieces: Iterable[Array], length: int, shape: CodecShape, say: Say) -> None:
        """Write (audio channel, sample) pieces of so many samples in all, and say so, and how loud they are."""
        peak, rate_hz = 0.0, shape.sample_rate_hz
        with new_wav(self.path, shape.audio_channels, length, rate_hz, self.force, self.encoding) as append:
            for piece in limited_pieces(pieces) if self.limit else pieces:
                audio = np.asarray(piece, np.float32)
                append(audio)
                peak = max(peak, float(np.abs(audio).max()))
        clipped = ", clipped" if peak > 1 and self.encoding != "float32" else ""
        say(f"wrote {self.path} ({length / rate_hz:.2f} s, {rate_hz} Hz, peak {_db(peak**2)} dBFS{clipped})")


def encode_file(codec: Codec, sound: Path, out: Path, windows: Windows, force: bool, say: Say) -> None:
    """A sound file to latents in a .npy file."""
    chunks, _ = windows.of(codec)
    opened = _opened(codec, sound, say)
    stored = _encoded(codec, opened, chunks, out, force)
    axes = f"{stored.channels} channels x {stored.frames} frames"
    say(f"wrote {out} ({axes}; decode with --length {opened.length} for the input's length)")


def decode_file(codec: Codec, latents: Path, output: Output, windows: Windows, length: int | None, say: Say) -> None:
    """Latents in a .npy file to a sound file."""
    _, chunks = windows.of(codec)
    stored = open_latents(latents, codec.shape)
    samples = checked_length(length, stored.frames * codec.shape.ratio)
    output.write(audio_of(codec, stored, chunks, samples), samples, codec.shape, say)


def roundtrip_file(codec: Codec, sound: Path, output: Output, windows: Windows, say: Say) -> None:
    """A sound file through latents to a sound file of the same length, and how far the two are apart."""
    encoding, decoding = windows.of(codec)
    opened = _opened(codec, sound, say)
    powers = [0.0, 0.0]
    with TemporaryDirectory() as name:
        latents = _encoded(codec, opened, encoding, Path(name) / "latents.npy")
        heard = _compared(audio_of(codec, latents, decoding, opened.length), opened, powers)
        output.write(heard, opened.length, codec.shape, say)
    say(f"signal over error: {_db(powers[0] / powers[1]) if powers[1] else 'inf'} dB, at {latents.frames} frames")


def _encoded(codec: Codec, sound: SoundFile, chunks: ChunkSpec | None, out: Path, force: bool = False) -> LatentsFile:
    """The latents of a sound file in one of their own."""
    shape = codec.shape
    with new_latents(out, shape.latent_channels, shape.aligned(shape.frames(sound.length)), force) as append:
        for piece in latents_of(codec, sound, chunks):
            append(piece)
    return open_latents(out, shape)


def _compared(pieces: Iterable[Array], sound: SoundFile, powers: list[float]) -> Iterator[Array]:
    """The pieces as they are; to `powers` is added what the sound has, and what they are apart from it."""
    done = 0
    for piece in pieces:
        audio = sound.read(done, done + piece.shape[1])
        powers[0] += float(np.square(audio, dtype=float).sum())
        powers[1] += float(np.square(audio - piece, dtype=float).sum())
        done += piece.shape[1]
        yield piece


def _opened(codec: Codec, path: Path, say: Say) -> SoundFile:
    """A sound file, with a word on channels that are not coded."""
    sound = open_sound_file(path, codec.shape)
    if sound.file_channels > 2:
        used = "their mean is" if codec.shape.audio_channels == 1 else "the first two are"
        say(f"{path} has {sound.file_channels} channels; {used} encoded")
    return sound


def _db(power: float) -> str:
    return f"{10 * math.log10(power):.1f}" if power > 0 else "-inf"
