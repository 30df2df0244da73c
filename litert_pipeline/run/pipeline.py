"""The LiteRT pipeline: a bundle as three callables over numpy arrays. Twin of `reference/pipeline.py`."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from litert_pipeline.bundle import Bundle
from litert_pipeline.run.classic import open_classic_stage
from litert_pipeline.run.litert import LiteRTStage
from litert_pipeline.run.open_stages import ONE_AT_A_TIME, OpenStages
from litert_pipeline.run.rungs import opened_stage
from litert_pipeline.run.tapped import runnable
from reference.spec.errors import InputError
from reference.spec.generation import Pipeline, Stage, Stages
from reference.spec.model import SECONDS_START, SECONDS_TOTAL
from reference.spec.prompt import Tokenizer
from reference.spec.sampling.objective import FLOW
from reference.spec.sampling.releases import release_of
from reference.spec.sampling.samplers import SAMPLERS, fitting
from reference.spec.stages import CONDITIONER, DECODER, ENCODER, GENERATION
from reference.spec.tensors import Array, Tensors

COMPILED, CLASSIC = "compiled", "interpreter"
RUNTIMES = (COMPILED, CLASSIC)  # LiteRT's, as people ask for them


@contextmanager
def open_stage(
    bundle: Bundle, name: str, *, compute: str | None = None, threads: int = 1, kernels: str = "xnnpack"
) -> Iterator[Stage]:
    """One stage of a bundle, in the arithmetic its manifest asks for unless `compute` says otherwise."""
    entry = bundle.manifest.stages[name]
    compute = compute or entry.compute
    with runnable(bundle.path(name), entry) as path:
        opening = partial(LiteRTStage, path, compute=compute, threads=threads, kernels=kernels)
        with opened_stage(bundle, name, opening) as run:
            yield run


@contextmanager
def open_pipeline(
    bundle: Bundle,
    *,
    compute: str | None = None,
    threads: int = 1,
    init_audio: bool = False,
    runtime: str = COMPILED,
    held_bytes: int = ONE_AT_A_TIME,
) -> Iterator[Pipeline]:
    """The stages of a LiteRT bundle, ready to generate; the encoder only where there is `init_audio` to encode.

    `runtime` is one of `RUNTIMES`: the classic Interpreter runs where CompiledModel cannot be loaded, in float32 whatever the
    manifest asks for.

    A stage is opened when it is first asked for; open are as many as fit into `held_bytes` of files, at least one.
    A generation asks for one after the other, so with one at a time it takes the memory of its largest stage.

    Raises InputError for a bundle of another format, of a codec, or without the encoder it needs, or an altered file; a stage
    raises it when it is asked for and LiteRT cannot load its file.
    """
    manifest = bundle.manifest
    if manifest.format != "litert":
        raise InputError(
            f"{bundle.folder}: is an {manifest.format} bundle, expected litert; convert with a LiteRT recipe"
        )
    if manifest.codec is not None:
        raise InputError(
            f"{bundle.folder}: is of a codec alone, which generates nothing; code audio with 'python -m litert_pipeline codec'"
        )
    names = (*GENERATION, ENCODER) if init_audio else GENERATION
    if init_audio and ENCODER not in manifest.stages:
        raise InputError(f"{bundle.folder}: has no encoder, which init audio needs; convert the model again")
    bundle.require_intact()
    open_stages = OpenStages(held_bytes=held_bytes)

    def opened(name: str) -> AbstractContextManager[Stage]:
        if runtime == CLASSIC:
            return open_classic_stage(bundle, name, threads=threads)
        return open_stage(bundle, name, compute=compute, threads=threads)

    def run(name: str, feed: Mapping[str, Array]) -> Tensors:
        return open_stages.stage(name, manifest.stages[name].size_bytes, lambda: opened(name))(feed)

    try:
        yield assembled(bundle, {name: partial(run, name) for name in names})
    finally:
        open_stages.close()


def assembled(bundle: Bundle, stages: Stages) -> Pipeline:
    """Open stages and what a bundle says about everything between them.

    Raises InputError for a tokenizer that cannot be read, and for a manifest that follows no known release of upstream.
    """
    manifest = bundle.manifest
    told = {tensor.name: tensor for tensor in manifest.stages[CONDITIONER].signature.inputs}
    sampler = SAMPLERS.get(str(manifest.sampler.get("name")))  # None where an unknown one is claimed: what a flow model takes
    return Pipeline(
        stages=stages,
        tokenizer=Tokenizer(bundle.tokenizer_path, max_length=told["input_ids"].shape[-1]),
        latent_shape=manifest.stages[DECODER].signature.inputs[0].shape,
        audio_shape=manifest.stages[DECODER].signature.outputs[0].shape,
        sample_rate_hz=manifest.sample_rate_hz,
        level_shift=manifest.level_shift,
        samplers=fitting(tuple(SAMPLERS), FLOW if sampler is None else sampler.objective),
        numbers=tuple(name for name in told if name in (SECONDS_START, SECONDS_TOTAL)),
        release=release_of(manifest.sampler),
    )
