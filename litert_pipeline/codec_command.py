"""`python -m litert_pipeline codec`: audio to latents and back with a bundle; needs numpy and LiteRT, not torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reference.codec_options import CodecSource, DecodeOptions, EncodeOptions, PreEncodeOptions, RoundtripOptions
from reference.command import MOST_THREADS
from reference.command_line import command_line, takes_options
from reference.spec.codec.verbs import Windows
from reference.spec.stages import SAME_ENCODER

if TYPE_CHECKING:
    from reference.spec.codec.codec import Codec

BundleDir = Annotated[Path, typer.Option(help="LiteRT bundle of a codec, made by 'python -m litert_pipeline convert'.")]
Threads = Annotated[int, typer.Option(min=1, max=MOST_THREADS, help="CPU threads.")]


@takes_options(EncodeOptions)
def encode_command(options: EncodeOptions, bundle: BundleDir, threads: Threads = 1) -> None:
    """Encode a sound file to latents."""
    options.run(bundle, partial(_opened, bundle, threads))


@takes_options(DecodeOptions)
def decode_command(options: DecodeOptions, bundle: BundleDir, threads: Threads = 1) -> None:
    """Decode latents to a WAV."""
    options.run(bundle, partial(_opened, bundle, threads))


@takes_options(RoundtripOptions)
def roundtrip_command(options: RoundtripOptions, bundle: BundleDir, threads: Threads = 1) -> None:
    """Encode a sound file, decode it again, and say how far the two are apart."""
    options.run(bundle, partial(_opened, bundle, threads))


@takes_options(PreEncodeOptions)
def pre_encode_command(options: PreEncodeOptions, bundle: BundleDir) -> None:
    """Encode a data set for training; begun before, it goes on where that ended."""
    options.run(bundle, partial(_found, bundle), Windows())


@contextmanager
def _opened(bundle: Path, threads: int) -> Iterator["Codec"]:
    # Imported here so that a mistyped option is an error at once, not after LiteRT has loaded.
    from litert_pipeline.bundle import read_bundle
    from litert_pipeline.run.codec import open_codec

    with open_codec(read_bundle(bundle), threads=threads) as codec:
        yield codec


def _found(bundle: Path) -> CodecSource:
    from litert_pipeline.bundle import read_bundle
    from litert_pipeline.run.codec import shape_of

    read = read_bundle(bundle)
    shape, encoder = shape_of(read), read.manifest.stages[SAME_ENCODER]
    return CodecSource(shape=shape, weights_sha256=encoder.sha256, open=partial(_opened, bundle, threads=1))


app = command_line(
    about="Audio to latents and back, with a LiteRT bundle of Stable Audio 3's codec (SAME).",
    at_fault="the LiteRT pipeline",
    commands={
        "encode": encode_command,
        "decode": decode_command,
        "roundtrip": roundtrip_command,
        "pre-encode": pre_encode_command,
    },
)
