"""`python -m reference codec`: audio to latents and back, and a data set encoded for training."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from reference.codec_options import (
    BatchSize,
    Chunked,
    ChunkSize,
    DataDir,
    Encoding,
    Force,
    LatentsIn,
    LatentsOut,
    Length,
    Limit,
    Model,
    ModelHalf,
    Noise,
    OutputPath,
    Overlap,
    Pad,
    SampleSize,
    Seed,
    ShardOption,
    Sound,
    SoundOut,
    Split,
)
from reference.command_line import command_line
from reference.progress import plain_console, show_progress
from reference.spec.codec.preencode import SAMPLE_SIZE, PreEncoder, Recipe, parse_shard
from reference.spec.codec.verbs import Output, Windows, decode_file, encode_file, roundtrip_file
from reference.spec.codec.windows import CHUNK_SIZE, OVERLAP
from reference.spec.files import check_free, sha256_of

if TYPE_CHECKING:
    from reference.spec.codec.codec import Codec

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


def pre_encode_command(
    data_dir: DataDir,
    output_path: OutputPath,
    model: Model,
    batch_size: BatchSize = 1,
    sample_size: SampleSize = SAMPLE_SIZE,
    model_half: ModelHalf = False,
    pad: Pad = False,
    split: Split = False,
    shard: ShardOption = "1/1",
    chunk_size: ChunkSize = CHUNK_SIZE,
    overlap: Overlap = OVERLAP,
) -> None:
    """Encode a data set for training, in windows; begun before, it goes on where that ended."""
    share = parse_shard(shard)
    recipe = Recipe(
        weights="", sample_size=sample_size, batch_size=batch_size, pad=pad, half=model_half, split=split
    )  # fmt: skip
    windows = Windows(chunked=True, chunk_size=chunk_size, overlap=overlap)
    from reference.codec import load_codec

    loaded = load_codec(model)
    recipe = replace(recipe, weights=sha256_of(loaded.files.weights))
    encoder = PreEncoder(codec=loaded.codec(), windows=windows, recipe=recipe, data=data_dir, out=output_path)
    with show_progress(plain_console()) as say:
        say(f"encoding {data_dir}")
        done = encoder.run(share, say)
    typer.echo(f"wrote {output_path} ({len(done['items'])} items, {len(done['rejected'])} files left out, see {share.manifest})")


def _open(model: Path, noise: str, seed: int) -> "Codec":
    # Imported here so that a mistyped option is an error at once, not after torch has loaded.
    from reference.codec import load_codec, open_noise

    draw = open_noise(noise, seed)
    return load_codec(model).codec(draw)


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
