"""`python -m reference codec`: audio to latents and back, and a data set encoded for training."""

from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reference.codec_options import CodecSource, DecodeOptions, EncodeOptions, PreEncodeOptions, RoundtripOptions
from reference.command_line import command_line, takes_options
from reference.model_files import locate
from reference.spec.codec.verbs import Windows
from reference.spec.codec.windows import CHUNK_SIZE, OVERLAP
from reference.spec.codec_config import read_codec_spec
from reference.spec.files import sha256_of

if TYPE_CHECKING:
    from reference.spec.codec.codec import Codec

Model = Annotated[
    Path, typer.Option(help="Model dir of the codec or of a model that generates with it, weight file, or id on the hub.")
]
Noise = Annotated[str, typer.Option(help="Upstream's noise: off, or replay, what torch draws from --seed.")]
Seed = Annotated[int, typer.Option(help="With --noise replay: the seed.")]


@takes_options(EncodeOptions)
def encode_command(options: EncodeOptions, model: Model, noise: Noise = "off", seed: Seed = 0) -> None:
    """Encode a sound file to latents."""
    options.run(model, partial(_open, model, noise, seed))


@takes_options(DecodeOptions)
def decode_command(options: DecodeOptions, model: Model, noise: Noise = "off", seed: Seed = 0) -> None:
    """Decode latents to a WAV."""
    options.run(model, partial(_open, model, noise, seed))


@takes_options(RoundtripOptions)
def roundtrip_command(options: RoundtripOptions, model: Model, noise: Noise = "off", seed: Seed = 0) -> None:
    """Encode a sound file, decode it again, and say how far the two are apart."""
    options.run(model, partial(_open, model, noise, seed))


@takes_options(PreEncodeOptions)
def pre_encode_command(
    options: PreEncodeOptions,
    model: Model,
    chunk_size: Annotated[int, typer.Option(help="Latent frames in a window.")] = CHUNK_SIZE,
    overlap: Annotated[int, typer.Option(help="Latent frames that two windows share.")] = OVERLAP,
) -> None:
    """Encode a data set for training, in windows; begun before, it goes on where that ended."""
    options.run(model, partial(_found, model), Windows(chunked=True, chunk_size=chunk_size, overlap=overlap))


def _open(model: Path, noise: str, seed: int) -> AbstractContextManager["Codec"]:
    # Imported here so that a mistyped option is an error at once, not after torch has loaded.
    from reference.codec import load_codec, open_noise

    draw = open_noise(noise, seed)
    return nullcontext(load_codec(model).codec(draw))


def _found(model: Path) -> CodecSource:
    files = locate(model)
    shape = read_codec_spec(files.config).shape
    return CodecSource(shape=shape, weights_sha256=sha256_of(files.weights), open=partial(_on_one_thread, model))


def _on_one_thread(model: Path) -> AbstractContextManager["Codec"]:
    from reference.own_codec import opened_on

    return opened_on(model, threads=1)


app = command_line(
    about="Audio to latents and back, with the codec of Stable Audio 3 (SAME).",
    at_fault="the reference",
    commands={
        "encode": encode_command,
        "decode": decode_command,
        "roundtrip": roundtrip_command,
        "pre-encode": pre_encode_command,
    },
)
