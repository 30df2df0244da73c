"""The options of a codec's command line, each with its help text, whoever runs the codec."""

from pathlib import Path
from typing import Annotated

import typer

from reference.spec.audio import ENCODINGS
from reference.spec.codec.preencode import SAMPLE_SIZE

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

DataDir = Annotated[Path, typer.Option(help="Folder of sound files, each with its caption beside it (.txt).", show_default=False)]
OutputPath = Annotated[Path, typer.Option(help="Folder to fill; one that was begun is gone on with.", show_default=False)]
BatchSize = Annotated[int, typer.Option(help="With --pad: items that are numbered together; each is encoded by itself.")]
SampleSize = Annotated[int, typer.Option(help=f"Samples of an item at most; upstream's default is {SAMPLE_SIZE}.")]
ModelHalf = Annotated[bool, typer.Option("--model-half", help="Store latents as float16; they are computed in float32.")]
Pad = Annotated[bool, typer.Option("--pad", help="Latents of a whole window, silence behind what is shorter.")]
Split = Annotated[bool, typer.Option("--split", help="Cut what is longer into several items, instead of leaving its end out.")]
ShardOption = Annotated[str, typer.Option("--shard", help="Which share of the files: 2/4 is the second of four.")]
