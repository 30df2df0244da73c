"""What `python -m reference generate` and `python -m litert_pipeline generate` have in common."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from reference.progress import plain_console, print_line, show_steps
from reference.spec.audio import ENCODINGS, fitted, read_wav, trimmed, write_wav
from reference.spec.errors import InputError
from reference.spec.files import check_file
from reference.spec.generation import Pipeline, Request, generate, save_trace
from reference.spec.noise import IN_TREES, NOISES, TORCH_TREE, open_noise
from reference.spec.sampling.guidance import Guidance
from reference.spec.sampling.objective import FLOW, Objective, V
from reference.spec.sampling.releases import RELEASES, V0_0_19, Release, release_called
from reference.spec.sampling.samplers import (
    DISTILLED,
    GUIDED,
    SAMPLERS,
    SamplerSpec,
    fitting,
    init_level,
    sampler_called,
)
from reference.spec.sampling.scale import INIT_LEVEL, SIGMA_MAX, SIGMA_MIN
from reference.spec.tensors import Array, finite_in_float32

Force = Annotated[bool, typer.Option("--force", help="Replace existing output.")]
Levels = tuple[float, float]
FAMILIES: Mapping[str, Objective] = {"flow models": FLOW, "v models": V}
USUAL = {family: fitting(tuple(SAMPLERS), objective)[0] for family, objective in FAMILIES.items()}  # one is any model's
OPENING = "opening the model"
SILENCE = np.zeros((1, 1, 1), np.float32)
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
    seconds_start: Annotated[
        float, typer.Option(help="Where in a longer piece the sound begins; for models that are told it (1.0).")
    ] = 0.0
    seed: Annotated[int, typer.Option(help="Seed of the noise stream.")] = 0
    steps: Annotated[
        int | None,
        typer.Option(help=f"Sampler steps; {DISTILLED.steps}, or {GUIDED.steps} for models of the v objective (1.0)."),
    ] = None
    sampler: Annotated[
        str | None,
        typer.Option(
            help=f"Update rule, the model's usual if left out. Flow models: {', '.join(fitting(tuple(SAMPLERS), FLOW))}; "
            f"v models: {', '.join(fitting(tuple(SAMPLERS), V))}."
        ),
    ] = None
    sigma_min: Annotated[
        float | None, typer.Option(help=f"Last sigma before 0, for v samplers over sigmas; {SIGMA_MIN:g}.")
    ] = None
    sigma_max: Annotated[float | None, typer.Option(help=f"First sigma, for the same; {SIGMA_MAX:g}.")] = None
    cfg_scale: Annotated[
        float | None,
        typer.Option(
            "--cfg-scale",
            "--cfg",
            help=f"Guidance scale; 1 is none. {DISTILLED.cfg_scale:g}, right for distilled models, or "
            f"{GUIDED.cfg_scale:g} for models of the v objective.",
        ),
    ] = None
    negative_prompt: Annotated[str | None, typer.Option(help="What guidance leads away from.")] = None
    negative_seconds: Annotated[
        float | None, typer.Option(help="Length told with --negative-prompt; --seconds if left out.")
    ] = None
    negative_start: Annotated[
        float | None, typer.Option(help="Start told with --negative-prompt; --seconds-start if left out.")
    ] = None
    cfg_interval: Annotated[Levels, typer.Option(help="Least and largest share of noise with guidance.")] = (0.0, 1.0)
    scale_phi: Annotated[float, typer.Option(help="Share of guidance rescaled to the unguided deviation.")] = 0.0
    apg_scale: Annotated[
        float | None,
        typer.Option(help="Share to which guidance is freed of what lies along the clean estimate (APG); --spec's if left out."),
    ] = None
    spec: Annotated[
        str | None,
        typer.Option(
            help="Which stable-audio-tools to follow: "
            + "; ".join(f"{release.name} (rests on {release.rests_on})" for release in RELEASES.values())
            + ". They differ in the levels of flow models, and in guidance. The bundle's, or the first, if left out."
        ),
    ] = None
    init_audio: Annotated[Path | None, typer.Option(help="Sound file to start from (audio-to-audio).")] = None
    init_noise_level: Annotated[
        float | None,
        typer.Option(
            help=f"With --init-audio: level to start at, 0 (unchanged) to 1 (pure noise); {INIT_LEVEL:g}. For samplers "
            "over sigmas a sigma above --sigma-min, which has to be given."
        ),
    ] = None
    noise: Annotated[
        str,
        typer.Option(
            help=f"Noise stream: {', '.join(NOISES)}, or an .npz with noise_0, noise_1, ... {TORCH_TREE} is upstream's of "
            f"{', '.join(IN_TREES)}, torch that of the others."
        ),
    ] = "philox"
    trace: Annotated[Path | None, typer.Option(help="Also write every intermediate tensor to this .npz file.")] = None
    force: Force = False

    def checked(self, reads: Iterable[Path | None]) -> "Generation":
        """The generation these options ask for, of what `reads` names. Raises InputError for what can be told before a model is
        loaded."""
        noise = None if self.noise in NOISES else Path(self.noise)
        reads = (*reads, self.init_audio, noise)
        check_file(self.out, self.force, reads)
        if self.trace is not None:
            check_file(self.trace, self.force, (*reads, self.out))
        if self.encoding not in ENCODINGS:
            raise InputError(f"encoding '{self.encoding}' is unknown; valid encodings: {', '.join(ENCODINGS)}")
        if self.init_audio is None and self.init_noise_level is not None:
            raise InputError("init_noise_level has no effect without init audio; give --init-audio or leave it out")
        if self.init_audio is not None and self.sigma_max is not None:
            raise InputError("sigma_max has no effect with init audio, --init-noise-level is in its place; leave it out")
        self._check_requests()
        return Generation(options=self, init_audio=None if self.init_audio is None else read_wav(self.init_audio))

    def request(self, sampler: str, init_audio: Array | None, own: Release = V0_0_19) -> Request:
        """What is asked of a model whose sampler this is, made for the release `own`. Raises InputError for what contradicts
        itself."""
        usual, release = sampler_called(sampler).usual, own if self.spec is None else release_called(self.spec)
        return Request(
            prompt=self.prompt,
            seconds=self.seconds,
            seconds_start=self.seconds_start,
            sampler=SamplerSpec(
                name=sampler,
                steps=usual.steps if self.steps is None else self.steps,
                sigma_max=self.sigma_max if init_audio is None else init_level(sampler, self.init_noise_level, self.sigma_min),
                sigma_min=self.sigma_min,
                release=release,
            ),
            guidance=Guidance(
                scale=usual.cfg_scale if self.cfg_scale is None else self.cfg_scale,
                negative_prompt=self.negative_prompt,
                negative_seconds=self.negative_seconds,
                negative_start=self.negative_start,
                interval=self.cfg_interval,
                phi=self.scale_phi,
                apg_scale=release.apg_scale if self.apg_scale is None else self.apg_scale,
            ),
            init_audio=init_audio,
        )

    def _check_requests(self) -> None:
        """Raise InputError for options that suit no model. The model's own sampler is known when it is loaded: where none is
        named, what is wrong for each family is said of each, unless it is the same."""
        errors = {}
        for family, name in USUAL.items() if self.sampler is None else [("", self.sampler)]:
            try:
                self.request(name, None if self.init_audio is None else SILENCE)
                return
            except InputError as error:
                errors[family] = str(error)
        if len(set(errors.values())) == 1:
            raise InputError(errors.popitem()[1])
        raise InputError("; ".join(f"for {family} {error}" for family, error in errors.items()))


@dataclass(frozen=True, kw_only=True)
class Generation:
    """One generation and where it goes; checked before anything is loaded.

    What is asked for depends on the model in two ways: its usual sampler, and the length `init_audio` (samples and rate) is
    brought to.
    """

    options: GenerateOptions
    init_audio: tuple[Any, int] | None

    def run(self, open_pipeline: Callable[[], AbstractContextManager[Pipeline]]) -> None:
        """Open the pipeline, generate, write the files, say what was written."""
        options = self.options
        with ExitStack() as stack:
            with show_steps(OPENING, plain_console()):
                pipeline = stack.enter_context(open_pipeline())
            request = self._fitted(pipeline)
            if request.sampler.release != pipeline.release:
                print_line(f"made for {pipeline.release.name}, sampled like {request.sampler.release.name} as asked")
            noise = open_noise(
                options.noise,
                pipeline.latent_shape,
                options.seed,
                init_audio=request.init_audio is not None,
                sampler=request.sampler,
            )
            # What is beyond float32 is told of the sound, not by numpy's warnings.
            with show_steps("generating", plain_console()) as told, np.errstate(all="ignore"):
                trace = generate(pipeline, request, noise, told)
                audio = trace["audio"][0].astype("float32")
        if not finite_in_float32(audio):
            advice = f"take {told_peak(options.init_audio, self.init_audio)}usual values of --cfg-scale and sigmas"
            raise InputError(
                f"{options.out}: not written, for the sound holds values that are no numbers, expected finite ones; {advice}, "
                "and if they stay, try the model with 'python -m parity gate'"
            )
        rate_hz = pipeline.sample_rate_hz
        if options.trim:
            audio = trimmed(audio, rate_hz, options.seconds)
        write_wav(options.out, audio, rate_hz, options.force, options.encoding)
        print_line(f"wrote {options.out} ({audio.shape[1] / rate_hz:.2f} s, {rate_hz} Hz)")
        if options.trace is not None:
            save_trace(options.trace, trace, options.force)
            print_line(f"wrote {options.trace} ({len(trace)} tensors)")

    def _fitted(self, pipeline: Pipeline) -> Request:
        sampler = self.options.sampler or pipeline.samplers[0]
        audio = None
        if self.init_audio is not None:
            audio = fitted(*self.init_audio, pipeline.sample_rate_hz, pipeline.audio_shape)
        return self.options.request(sampler, audio, pipeline.release)


def told_peak(path: Path | None, init_audio: tuple[Array, int] | None) -> str:
    """What to do about init audio beyond full scale, in words; empty where there is none."""
    peak = 0.0 if init_audio is None else float(np.abs(init_audio[0]).max())
    return f"init audio within full scale (the peak of {path} is {peak:.3g}), " if peak > 1 else ""
