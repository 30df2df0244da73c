"""What `python -m reference generate` and `python -m litert_pipeline generate` have in common."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from reference.spec.audio import write_wav
from reference.spec.files import check_free
from reference.spec.generation import Pipeline, Request, generate, save_trace
from reference.spec.noise import STREAMS, open_noise
from reference.spec.sampler import SAMPLERS, SamplerSpec

Prompt = Annotated[str, typer.Argument(help="What to hear.")]
Out = Annotated[Path, typer.Option(help="WAV file to write (32-bit float stereo, one full window).")]
Seconds = Annotated[float, typer.Option(help="Length the model is told (seconds_total); it does not cut the audio.")]
Seed = Annotated[int, typer.Option(help="Seed of the noise stream.")]
Steps = Annotated[int, typer.Option(help="Sampler steps.")]
SamplerName = Annotated[str, typer.Option(help=f"Update rule: {', '.join(SAMPLERS)}.")]
Noise = Annotated[str, typer.Option(help=f"Noise stream: {', '.join(STREAMS)}, or an .npz with noise_0, noise_1, ...")]
Trace = Annotated[Path | None, typer.Option(help="Also write every intermediate tensor to this .npz file.")]
Force = Annotated[bool, typer.Option("--force", help="Replace existing output.")]


@dataclass(frozen=True, kw_only=True)
class Generation:
    """One generation and where it goes; checked before anything is loaded."""

    request: Request
    seed: int
    noise: str
    out: Path
    trace: Path | None
    force: bool

    def __post_init__(self) -> None:
        for path in filter(None, (self.out, self.trace)):
            check_free(path, self.force)

    def run(self, open_pipeline: Callable[[], AbstractContextManager[Pipeline]]) -> None:
        """Open the pipeline, generate, write the files, say what was written."""
        with open_pipeline() as pipeline:
            trace = generate(pipeline, self.request, open_noise(self.noise, pipeline.latent_shape, self.seed))
        audio = trace["audio"][0].astype("float32")
        write_wav(self.out, audio, pipeline.sample_rate_hz, self.force)
        typer.echo(f"wrote {self.out} ({audio.shape[1] / pipeline.sample_rate_hz:.2f} s, {pipeline.sample_rate_hz} Hz)")
        if self.trace is not None:
            save_trace(self.trace, trace, self.force)
            typer.echo(f"wrote {self.trace} ({len(trace)} tensors)")


def generation(
    prompt: str,
    seconds: float,
    seed: int,
    steps: int,
    sampler: str,
    noise: str,
    out: Path,
    trace: Path | None,
    force: bool,
) -> Generation:
    """The checked Generation of a command line's options. Raises InputError for a value out of range."""
    request = Request(prompt=prompt, seconds=seconds, sampler=SamplerSpec(name=sampler, steps=steps))
    return Generation(request=request, seed=seed, noise=noise, out=out, trace=trace, force=force)
