"""`python -m reference codec`: audio to latents and back. The options are those of every codec's command line."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reference.command_line import command_line
from reference.spec.audio import ENCODINGS
from reference.spec.codec.verbs import Output, Windows, decode_file, encode_file, roundtrip_file
from reference.spec.codec.windows import CHUNK_SIZE, OVERLAP
from reference.spec.files import check_free

if TYPE_CHECKING:
    from reference.spec.codec.codec import Codec

Sound = Annotated[Path, typer.Argument(help="Sound file, of any rate and number of channels.", show_default=False)]
LatentsIn = Annotated[Path, typer.Argument(help=".npy file of latents, (channel, frame).", show_default=False)]
LatentsOut = Annotated[Path, typer.Argument(help=".npy file of latents to write, (channel, frame).", show_default=False)]
SoundOut = Annotated[Path, typer.Argument(help="WAV file to write.", show_default=False)]
Model = Annotated[
    Path, typer.Option(help="Model dir of the codec or of a model that generates with it, weight file, or id on the hub.")
]
Chunked = Annotated[bool, typer.Option("--chunked", help="Code in overlapping windows: less memory, the same numbers.")]
ChunkSize = Annotated[int, typer.Option(help="With --chunked: latent frames in a window.")]
Overlap = Annotated[int, typer.Option(help="With --chunked: latent frames that two windows share.")]
Noise = Annotated[str, typer.Option(help="Upstream's noise: off, or replay, what torch draws from --seed.")]
Seed = Annotated[int, typer.Option(help="With --noise replay: the seed.")]
Encoding = Annotated[str, typer.Option(help=f"Samples of the WAV: {', '.join(ENCODINGS)}.")]
Limit = Annotated[bool, typer.Option("--limit", help="Turn down what is louder than -0.2 dBFS, looking ahead.")]
Length = Annotated[int | None, typer.Option(help="Samples to keep; all that the latents hold if left out.")]
Force = Annotated[bool, typer.Option("--force", help="Replace existing output.")]


def encode_command(
    sound: Sound,
    out: LatentsOut,
    model: Model,
    chunked: Chunked = False,
    chunk_size: ChunkSize = CHUNK_SIZE,
    overlap: Overlap = OVERLAP,
    noise: Noise = "off",
    seed: Seed = 0,
    force: Force = False,
) -> None:
    """Encode a sound file to latents."""
    check_free(out, force)
    windows = Windows(chunked=chunked, chunk_size=chunk_size, overlap=overlap)
    encode_file(_open(model, noise, seed), sound, out, windows, force, typer.echo)


def decode_command(
    latents: LatentsIn,
    out: SoundOut,
    model: Model,
    chunked: Chunked = False,
    chunk_size: ChunkSize = CHUNK_SIZE,
    overlap: Overlap = OVERLAP,
    length: Length = None,
    encoding: Encoding = "float32",
    limit: Limit = False,
    noise: Noise = "off",
    seed: Seed = 0,
    force: Force = False,
) -> None:
    """Decode latents to a WAV."""
    output = Output(path=out, encoding=encoding, limit=limit, force=force)
    output.check()
    windows = Windows(chunked=chunked, chunk_size=chunk_size, overlap=overlap)
    decode_file(_open(model, noise, seed), latents, output, windows, length, typer.echo)


def roundtrip_command(
    sound: Sound,
    out: SoundOut,
    model: Model,
    chunked: Chunked = False,
    chunk_size: ChunkSize = CHUNK_SIZE,
    overlap: Overlap = OVERLAP,
    encoding: Encoding = "float32",
    limit: Limit = False,
    noise: Noise = "off",
    seed: Seed = 0,
    force: Force = False,
) -> None:
    """Encode a sound file, decode it again, and say how far the two are apart."""
    output = Output(path=out, encoding=encoding, limit=limit, force=force)
    output.check()
    windows = Windows(chunked=chunked, chunk_size=chunk_size, overlap=overlap)
    roundtrip_file(_open(model, noise, seed), sound, output, windows, typer.echo)


def _open(model: Path, noise: str, seed: int) -> "Codec":
    # Imported here so that a mistyped option is an error at once, not after torch has loaded.
    from reference.codec import load_codec, open_noise

    draw = open_noise(noise, seed)
    return load_codec(model).codec(draw)


app = command_line(
    about="Audio to latents and back, with the codec of Stable Audio 3 (SAME).",
    at_fault="the reference",
    commands={"encode": encode_command, "decode": decode_command, "roundtrip": roundtrip_command},
)
