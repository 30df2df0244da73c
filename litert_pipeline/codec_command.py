"""`python -m litert_pipeline codec`: audio to latents and back with a bundle; needs numpy and LiteRT, not torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reference.codec_options import (
    Chunked,
    ChunkSize,
    Encoding,
    Force,
    LatentsIn,
    LatentsOut,
    Length,
    Limit,
    Overlap,
    Sound,
    SoundOut,
)
from reference.command import MOST_THREADS
from reference.command_line import command_line
from reference.spec.codec.verbs import Output, Windows, decode_file, encode_file, roundtrip_file
from reference.spec.codec.windows import CHUNK_SIZE, OVERLAP
from reference.spec.files import check_free

if TYPE_CHECKING:
    from reference.spec.codec.codec import Codec

BundleDir = Annotated[Path, typer.Option(help="LiteRT bundle of a codec, made by 'python -m litert_pipeline convert'.")]
Threads = Annotated[int, typer.Option(min=1, max=MOST_THREADS, help="CPU threads.")]


def encode_command(
    sound: Sound,
    out: LatentsOut,
    bundle: BundleDir,
    chunked: Chunked = False,
    chunk_size: ChunkSize = CHUNK_SIZE,
    overlap: Overlap = OVERLAP,
    threads: Threads = 1,
    force: Force = False,
) -> None:
    """Encode a sound file to latents."""
    check_free(out, force)
    windows = Windows(chunked=chunked, chunk_size=chunk_size, overlap=overlap)
    with _opened(bundle, threads) as codec:
        encode_file(codec, sound, out, windows, force, typer.echo)


def decode_command(
    latents: LatentsIn,
    out: SoundOut,
    bundle: BundleDir,
    chunked: Chunked = False,
    chunk_size: ChunkSize = CHUNK_SIZE,
    overlap: Overlap = OVERLAP,
    length: Length = None,
    encoding: Encoding = "float32",
    limit: Limit = False,
    threads: Threads = 1,
    force: Force = False,
) -> None:
    """Decode latents to a WAV."""
    output = Output(path=out, encoding=encoding, limit=limit, force=force)
    output.check()
    windows = Windows(chunked=chunked, chunk_size=chunk_size, overlap=overlap)
    with _opened(bundle, threads) as codec:
        decode_file(codec, latents, output, windows, length, typer.echo)


def roundtrip_command(
    sound: Sound,
    out: SoundOut,
    bundle: BundleDir,
    chunked: Chunked = False,
    chunk_size: ChunkSize = CHUNK_SIZE,
    overlap: Overlap = OVERLAP,
    encoding: Encoding = "float32",
    limit: Limit = False,
    threads: Threads = 1,
    force: Force = False,
) -> None:
    """Encode a sound file, decode it again, and say how far the two are apart."""
    output = Output(path=out, encoding=encoding, limit=limit, force=force)
    output.check()
    windows = Windows(chunked=chunked, chunk_size=chunk_size, overlap=overlap)
    with _opened(bundle, threads) as codec:
        roundtrip_file(codec, sound, output, windows, typer.echo)


@contextmanager
def _opened(bundle: Path, threads: int) -> Iterator["Codec"]:
    # Imported here so that a mistyped option is an error at once, not after LiteRT has loaded.
    from litert_pipeline.bundle import read_bundle
    from litert_pipeline.run.codec import open_codec

    with open_codec(read_bundle(bundle), threads=threads) as codec:
        yield codec


app = command_line(
    about="Audio to latents and back, with a LiteRT bundle of Stable Audio 3's codec (SAME).",
    at_fault="the LiteRT pipeline",
    commands={"encode": encode_command, "decode": decode_command, "roundtrip": roundtrip_command},
)
