"""What `python -m reference generate` and `python -m litert_pipeline generate` have in common."""

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import MISSING, dataclass, fields, replace
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from reference.spec.audio import ENCODINGS, fitted, read_wav, trimmed, write_wav
from reference.spec.errors import InputError
from reference.spec.files import check_free
from reference.spec.generation import Pipeline, Request, generate, save_trace
from reference.spec.noise import STREAMS, open_noise
from reference.spec.sampling.guidance import Guidance
from reference.spec.sampling.samplers import SAMPLERS, SamplerSpec

Force = Annotated[bool, typer.Option("--force", help="Replace existing output.")]
Levels = tuple[float, float]
INIT_NOISE_LEVEL = 0.7
MOST_THREADS = 1024  # asked for millions, torch and LiteRT crash instead of complaining


def thread_counts(text: str) -> tuple[int, ...]:
    """Numbers of CPU threads, comma-separated. Raises InputError for anything else."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 1 <= int(part) <= MOST_THREADS for part in parts):
        raise InputError(f"threads is '{text}', expected numbers from 1 to {MOST_THREADS}, such as 1,2")
    return tuple(int(part) for part in parts)


@dataclass(frozen=True, kw_only=True)
class GenerateOptions:
    """The options both commands take; help texts and defaults in one place."""

    prompt: Annotated[str, typer.Argument(help="What to hear.")]
    out: Annotated[Path, typer.Option(help="WAV file to write, stereo.")]
    seconds: Annotated[float, typer.Option(help="Length the model is told (seconds_total).")] = 10.0
    trim: Annotated[bool, typer.Option("--trim", help="Cut the audio to --seconds instead of a full window.")] = False
    encoding: Annotated[str, typer.Option(help=f"Samples of the WAV: {', '.join(ENCODINGS)}.")] = "float32"
    seed: Annotated[int, typer.Option(help="Seed of the noise stream.")] = 0
    steps: Annotated[int, typer.Option(help="Sampler steps.")] = 8
    sampler: Annotated[str, typer.Option(help=f"Update rule: {', '.join(SAMPLERS)}.")] = "pingpong"
    cfg_scale: Annotated[float, typer.Option(help="Guidance scale; 1, right for distilled models, is none.")] = 1.0
    negative_prompt: Annotated[str | None, typer.Option(help="What guidance leads away from.")] = None
    cfg_interval: Annotated[Levels, typer.Option(help="Lowest and highest level with guidance.")] = (0.0, 1.0)
    scale_phi: Annotated[float, typer.Option(help="Share of guidance rescaled to the unguided deviation.")] = 0.0
    init_audio: Annotated[Path | None, typer.Option(help="Sound file to start from (audio-to-audio).")] = None
    init_noise_level: Annotated[
        float | None, typer.Option(help="With --init-audio: level to start at, 0 (unchanged) to 1 (pure noise); 0.7.")
    ] = None
    noise: Annotated[
        str, typer.Option(help=f"Noise stream: {', '.join(STREAMS)}, or an .npz with noise_0, noise_1, ...")
    ] = "philox"
    trace: Annotated[Path | None, typer.Option(help="Also write every intermediate tensor to this .npz file.")] = None
    force: Force = False

    def checked(self) -> "Generation":
        """The generation these options ask for. Raises InputError for what can be told before a model is loaded."""
        for path in filter(None, (self.out, self.trace)):
            check_free(path, self.force)
        if self.encoding not in ENCODINGS:
            raise InputError(f"encoding '{self.encoding}' is unknown; valid encodings: {', '.join(ENCODINGS)}")
        if self.init_audio is None and self.init_noise_level is not None:
            raise InputError("init_noise_level has no effect without init audio; give --init-audio or leave it out")
        level = INIT_NOISE_LEVEL if self.init_noise_level is None else self.init_noise_level
        sigma_max = 1.0 if self.init_audio is None else level
        sampler = SamplerSpec(name=self.sampler, steps=self.steps, sigma_max=1.0)
        guidance = Guidance(
            scale=self.cfg_scale, negative_prompt=self.negative_prompt, interval=self.cfg_interval, phi=self.scale_phi
        )
        return Generation(
            options=self,
            request=Request(prompt=self.prompt, seconds=self.seconds, sampler=sampler, guidance=guidance),
            sampler=replace(sampler, sigma_max=sigma_max),
            init_audio=None if self.init_audio is None else read_wav(self.init_audio),
        )


@dataclass(frozen=True, kw_only=True)
class Generation:
    """One generation and where it goes; checked before anything is loaded.

    `request` starts from noise; `run` puts `init_audio` (samples and rate) into it once the model's length is known.
    """

    options: GenerateOptions
    request: Request
    sampler: SamplerSpec
    init_audio: tuple[Any, int] | None

    def run(self, open_pipeline: Callable[[], AbstractContextManager[Pipeline]]) -> None:
        """Open the pipeline, generate, write the files, say what was written."""
        options = self.options
        with open_pipeline() as pipeline:
            request = self._fitted(pipeline)
            has_init = request.init_audio is not None
            noise = open_noise(options.noise, pipeline.latent_shape, options.seed, init_audio=has_init)
            trace = generate(pipeline, request, noise)
        rate_hz, audio = pipeline.sample_rate_hz, trace["audio"][0].astype("float32")
        if options.trim:
            audio = trimmed(audio, rate_hz, options.seconds)
        write_wav(options.out, audio, rate_hz, options.force, options.encoding)
        typer.echo(f"wrote {options.out} ({audio.shape[1] / rate_hz:.2f} s, {rate_hz} Hz)")
        if options.trace is not None:
            save_trace(options.trace, trace, options.force)
            typer.echo(f"wrote {options.trace} ({len(trace)} tensors)")

    def _fitted(self, pipeline: Pipeline) -> Request:
        if self.init_audio is None:
            return self.request
        audio = fitted(*self.init_audio, pipeline.sample_rate_hz, pipeline.audio_shape)
        return replace(self.request, sampler=self.sampler, init_audio=audio)


def takes_generate_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, whose first parameter is a GenerateOptions, its fields as options of the command line."""
    own = list(inspect.signature(command).parameters.values())[1:]
    shared = {field.name: field for field in fields(GenerateOptions)}
    hints = {**get_type_hints(GenerateOptions, include_extras=True), **get_type_hints(command, include_extras=True)}

    @wraps(command)
    def wrapper(**given: Any) -> None:
        command(GenerateOptions(**{name: given.pop(name) for name in shared}), **given)

    parameters = [
        *(_parameter(name, hints[name], field.default) for name, field in shared.items()),
        *(_parameter(parameter.name, hints[parameter.name], parameter.default) for parameter in own),
    ]
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapper


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    empty = inspect.Parameter.empty
    given = empty if default is MISSING else default
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=given, annotation=annotation)
