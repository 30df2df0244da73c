"""What `python -m reference codec` and `python -m litert_pipeline codec` have in common: the verbs and their options."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from reference.command import Force
from reference.progress import plain_console, print_line, show_progress
from reference.spec.audio import ENCODINGS
from reference.spec.codec.items import PreEncoding
from reference.spec.codec.preencode import PreEncoder
from reference.spec.codec.recipe import SAMPLE_SIZE, Recipe, parse_shard
from reference.spec.codec.shape import CodecShape
from reference.spec.codec.verbs import Output, Windows, decode_file, encode_file, roundtrip_file
from reference.spec.codec.windows import CHUNK_SIZE, OVERLAP
from reference.spec.codec.workers import MOST_WORKERS, OpenCodec, usable_cores, workers
from reference.spec.files import check_file, check_filled

MOST_BY_DEFAULT = 4  # upstream reads with as many

Sound = Annotated[Path, typer.Argument(help="Sound file, of any rate and number of channels.", show_default=False)]
SoundOut = Annotated[Path, typer.Argument(help="WAV file to write.", show_default=False)]


@dataclass(frozen=True, kw_only=True)
class _Coding:
    """What all verbs that code a file take."""

    chunked: Annotated[
        bool, typer.Option("--chunked", help="Code in overlapping windows: less memory, the same numbers.")
    ] = False
    chunk_size: Annotated[int, typer.Option(help="With --chunked: latent frames in a window.")] = CHUNK_SIZE
    overlap: Annotated[int, typer.Option(help="With --chunked: latent frames that two windows share.")] = OVERLAP
    force: Force = False

    @property
    def windows(self) -> Windows:
        return Windows(chunked=self.chunked, chunk_size=self.chunk_size, overlap=self.overlap)


@dataclass(frozen=True, kw_only=True)
class _ToSound(_Coding):
    """What verbs take that write a WAV."""

    encoding: Annotated[str, typer.Option(help=f"Samples of the WAV: {', '.join(ENCODINGS)}.")] = "float32"
    limit: Annotated[bool, typer.Option("--limit", help="Turn down what is louder than -0.2 dBFS, looking ahead.")] = False

    def output(self, path: Path, *reads: Path) -> Output:
        """Where it goes, made from what it reads. Raises InputError for what can be told before a codec is loaded."""
        output = Output(path=path, encoding=self.encoding, limit=self.limit, force=self.force)
        output.check(reads)
        return output


@dataclass(frozen=True, kw_only=True)
class EncodeOptions(_Coding):
    """A sound file to latents."""

    sound: Sound
    out: Annotated[Path, typer.Argument(help=".npy file of latents to write, (channel, frame).", show_default=False)]

    def run(self, weights: Path, open_codec: OpenCodec) -> None:
        """Check, open the codec that `weights` holds, encode, say what was written."""
        check_file(self.out, self.force, [self.sound, weights])
        windows = self.windows
        with open_codec() as codec:
            encode_file(codec, self.sound, self.out, windows, self.force, print_line)


@dataclass(frozen=True, kw_only=True)
class DecodeOptions(_ToSound):
    """Latents to a WAV."""

    latents: Annotated[Path, typer.Argument(help=".npy file of latents, (channel, frame).", show_default=False)]
    out: SoundOut
    length: Annotated[int | None, typer.Option(help="Samples to keep; all that the latents hold if left out.")] = None

    def run(self, weights: Path, open_codec: OpenCodec) -> None:
        """Check, open, decode, say what was written."""
        output, windows = self.output(self.out, self.latents, weights), self.windows
        with open_codec() as codec:
            decode_file(codec, self.latents, output, windows, self.length, print_line)


@dataclass(frozen=True, kw_only=True)
class RoundtripOptions(_ToSound):
    """A sound file to a WAV."""

    sound: Sound
    out: SoundOut

    def run(self, weights: Path, open_codec: OpenCodec) -> None:
        """Check, open, encode and decode, say what was written."""
        output, windows = self.output(self.out, self.sound, weights), self.windows
        with open_codec() as codec:
            roundtrip_file(codec, self.sound, output, windows, print_line)


@dataclass(frozen=True, kw_only=True)
class CodecSource:
    """A codec that was found but not opened: its shape, its weights' hash, and how any process opens it on one thread."""

    shape: CodecShape
    weights_sha256: str
    open: OpenCodec


@dataclass(frozen=True, kw_only=True)
class PreEncodeOptions:
    """A folder of sound files to a folder of latents."""

    data_dir: Annotated[
        Path, typer.Option(help="Folder of sound files, each with its caption beside it (.txt).", show_default=False)
    ]
    output_path: Annotated[Path, typer.Option(help="Folder to fill; one that was begun is gone on with.", show_default=False)]
    batch_size: Annotated[
        int, typer.Option(help="With --pad: items that are numbered together; each is encoded by itself.")
    ] = 1
    sample_size: Annotated[
        int, typer.Option(help=f"Samples of an item at most; upstream's default is {SAMPLE_SIZE}.")
    ] = SAMPLE_SIZE
    model_half: Annotated[
        bool, typer.Option("--model-half", help="Store latents as float16; they are computed in float32.")
    ] = False
    pad: Annotated[bool, typer.Option("--pad", help="Latents of a whole window, silence behind what is shorter.")] = False
    split: Annotated[
        bool, typer.Option("--split", help="Cut what is longer into several items, instead of leaving its end out.")
    ] = False
    shard: Annotated[str, typer.Option(help="Which share of the files: 2/4 is the second of four.")] = "1/1"
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=MOST_WORKERS,
            help=f"Processes that encode, each on one thread; one for each core, but {MOST_BY_DEFAULT} at most, if left out. "
            "However many, they write the same bytes.",
        ),
    ] = None

    def run(self, weights: Path, find: Callable[[], CodecSource], windows: Windows) -> None:
        """Check, find the codec that `weights` holds, encode in `windows` what is not there yet, say what was done."""
        check_filled(self.output_path, [self.data_dir, weights])
        share = parse_shard(self.shard)
        recipe = Recipe(
            weights="", sample_size=self.sample_size, batch_size=self.batch_size, pad=self.pad, half=self.model_half,
            split=self.split,
        )  # fmt: skip
        source = find()
        recipe = replace(recipe, weights=source.weights_sha256)
        plan = PreEncoding(windows=windows, recipe=recipe, data=self.data_dir, out=self.output_path)
        count = min(MOST_BY_DEFAULT, usable_cores()) if self.workers is None else self.workers
        with show_progress(plain_console()) as say, workers(count, source.open, plan) as hands:
            say(f"encoding {self.data_dir}")
            done = PreEncoder(shape=source.shape, plan=plan, hands=hands).run(share, say)
        print_line(
            f"wrote {self.output_path} ({len(done['items'])} items, {len(done['rejected'])} left out, see {share.manifest})"
        )
