"""What a codec does with files: encode, decode, there and back. Whoever runs it; every verb says what it wrote."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reference.spec.audio import ENCODINGS, read_wav, write_wav
from reference.spec.codec.codec import Codec, Encoded
from reference.spec.codec.latents import read_latents, write_latents
from reference.spec.codec.limiter import limited
from reference.spec.codec.resample import resampled
from reference.spec.codec.shape import CodecShape
from reference.spec.codec.waveforms import with_channels
from reference.spec.codec.windows import CHUNK_SIZE, OVERLAP, checked_chunks, sides
from reference.spec.errors import InputError
from reference.spec.files import check_free
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

    def encode(self, codec: Codec, audio: Array, rate_hz: int) -> Encoded:
        """Audio to latents."""
        return codec.encode(audio, rate_hz, chunked=self.chunked, chunk_size=self.chunk_size, overlap=self.overlap)

    def decode(self, codec: Codec, latents: Array, length: int | None) -> Array:
        """Latents to (audio channel, sample) audio."""
        options = {"chunk_size": self.chunk_size, "overlap": self.overlap}
        return np.asarray(codec.decode(latents, chunked=self.chunked, length=length, **options)[0])


@dataclass(frozen=True, kw_only=True)
class Output:
    """Where sound goes, and as what: one of `ENCODINGS`, its peaks turned down if `limit`."""

    path: Path
    encoding: str = "float32"
    limit: bool = False
    force: bool = False

    def check(self) -> None:
        """Find out before long work whether it can be written. Raises InputError if not."""
        check_free(self.path, self.force)
        if self.encoding not in ENCODINGS:
            raise InputError(f"encoding '{self.encoding}' is unknown; valid encodings: {', '.join(ENCODINGS)}")

    def write(self, audio: Array, rate_hz: int, say: Say) -> None:
        """Write (audio channel, sample) audio and say so, and how loud it is."""
        audio = np.asarray(limited(audio) if self.limit else audio, np.float32)
        write_wav(self.path, audio, rate_hz, self.force, self.encoding)
        peak = float(np.abs(audio).max())
        clipped = ", clipped" if peak > 1 and self.encoding != "float32" else ""
        say(f"wrote {self.path} ({audio.shape[1] / rate_hz:.2f} s, {rate_hz} Hz, peak {_db(peak**2)} dBFS{clipped})")


def encode_file(codec: Codec, sound: Path, out: Path, windows: Windows, force: bool, say: Say) -> None:
    """A sound file to latents in a .npy file."""
    encoded, _ = _encoded(codec, sound, windows, say)
    write_latents(out, encoded.latents[0], force)
    channels, frames = encoded.latents.shape[1:]
    say(f"wrote {out} ({channels} channels x {frames} frames; decode with --length {encoded.lengths[0]} for the input's length)")


def decode_file(codec: Codec, latents: Path, output: Output, windows: Windows, length: int | None, say: Say) -> None:
    """Latents in a .npy file to a sound file."""
    audio = windows.decode(codec, read_latents(latents, codec.shape), length)
    output.write(audio, codec.shape.sample_rate_hz, say)


def roundtrip_file(codec: Codec, sound: Path, output: Output, windows: Windows, say: Say) -> None:
    """A sound file through latents to a sound file of the same length, and how far the two are apart."""
    encoded, audio = _encoded(codec, sound, windows, say)
    heard = windows.decode(codec, encoded.latents, encoded.lengths[0])
    output.write(heard, codec.shape.sample_rate_hz, say)
    signal, error = np.square(audio, dtype=float).mean(), np.square(audio - heard, dtype=float).mean()
    say(f"signal over error: {_db(signal / error) if error else 'inf'} dB, at {encoded.latents.shape[2]} frames")


def _encoded(codec: Codec, sound: Path, windows: Windows, say: Say) -> tuple[Encoded, Array]:
    """A sound file's latents, and what was encoded: its audio at the codec's rate and channels."""
    audio, rate_hz = read_wav(sound)
    shape = codec.shape
    if audio.shape[0] > 2:
        used = "their mean is" if shape.audio_channels == 1 else "the first two are"
        say(f"{sound} has {audio.shape[0]} channels; {used} encoded")
    fitted = with_channels(resampled(audio, rate_hz, shape.sample_rate_hz), shape.audio_channels)
    return windows.encode(codec, fitted, shape.sample_rate_hz), fitted


def _db(power: float) -> str:
    return f"{10 * math.log10(power):.1f}" if power > 0 else "-inf"
