"""A folder of a codec's files that were made elsewhere, as Stability's `optimized/tflite` has them.

There are an `enc_` and a `dec_` of each precision, each with a signature for each number of latent frames.
"""

from dataclasses import replace
from itertools import groupby
from math import prod
from pathlib import Path

from litert_pipeline.binding import Binding
from litert_pipeline.bundle import MANIFEST_NAME, SUFFIXES, Bundle, Manifest, StageFile
from litert_pipeline.model_file import model_files, require_linked, sha256_of_model, size_of_model
from litert_pipeline.rungs import Rungs
from parity.bundles.arithmetic import stored
from parity.bundles.assign import assignments
from parity.bundles.foreign import compute_of, recipe_of
from parity.bundles.interface import FileTensor, Interface, read_interfaces
from parity.bundles.model_name import named
from reference.codec_stages import outline_of_codec
from reference.spec.codec.window import WindowSpec
from reference.spec.errors import InputError
from reference.spec.stages import CODEC_STAGES, PRESENT, SAME_ENCODER, signatures
from reference.spec.tensors import Signature

HALVES = ("enc_", "dec_")  # what the names of files begin with
Found = tuple[Path, tuple[Interface, ...], Rungs]


def read_foreign_codec(folder: Path, model_dir: Path) -> list[Bundle]:
    """A bundle for each pair of encoder and decoder that are called alike but for `HALVES`; each file must hold one half, over
    some lengths, of the codec in `model_dir`. Raises InputError saying what does not fit."""
    require_linked(folder, [SUFFIXES["litert"]], MANIFEST_NAME)
    _, spec, _ = outline_of_codec(model_dir)
    assert isinstance(spec, WindowSpec), "the outline of a codec is of one"
    paths = sorted(model_files(folder, [SUFFIXES["litert"]]), key=_precision)
    if not paths:
        raise InputError(f"{folder}: has no .tflite file; expected those of a codec, an encoder and a decoder")
    return [_bundle(folder, list(pair), spec, model_dir) for _, pair in groupby(paths, _precision)]


def _precision(path: Path) -> str:
    half = next((half for half in HALVES if path.name.startswith(half)), "")
    return path.stem.removeprefix(half) if half else ""


def _bundle(folder: Path, paths: list[Path], spec: WindowSpec, model_dir: Path) -> Bundle:
    found: dict[str, Found] = {}
    for path in paths:
        stage, rungs = _half(path, read_interfaces(path), spec, model_dir)
        if stage in found:
            raise InputError(f"{folder}: {found[stage][0].name} and {path.name} are both {stage}; keep one of them in the folder")
        found[stage] = rungs
    if missing := [stage for stage in CODEC_STAGES if stage not in found]:
        names = ", ".join(path.name for path in paths)
        raise InputError(f"{folder}: beside {names} there is no {', '.join(missing)}; expected an encoder and a decoder")
    recipe = recipe_of("litert", {stage: stored(_longest(rungs)) for stage, rungs in found.items()})
    return Bundle(
        folder=folder,
        manifest=Manifest(
            recipe=recipe,
            format="litert",
            source=None,
            sample_rate_hz=spec.sample_rate_hz,
            codec=spec.codec.shape,
            stages={stage: _entry(stage, found[stage], recipe, spec) for stage in CODEC_STAGES},
        ),
    )


def _half(path: Path, interfaces: tuple[Interface, ...], spec: WindowSpec, model_dir: Path) -> tuple[str, Found]:
    """Which half a file is, and how each of its signatures is fed."""
    for stage in CODEC_STAGES:
        found = {frames: ways for one in interfaces for frames, ways in _ways(one, stage, spec)}
        if len(found) == len(interfaces):
            longest = max((frames for frames in found if frames <= spec.latent_frames), default=min(found))
            return stage, (path, interfaces, Rungs(**vars(found[longest]), rungs=dict(sorted(found.items()))))
    told = "; ".join(f"{one.key} takes {_listed(one.inputs)} and gives {_listed(one.outputs)}" for one in interfaces)
    raise InputError(f"{path}: {told}, which is no half of {named(model_dir)}; expected sound and latents of as many frames")


def _listed(tensors: tuple[FileTensor, ...]) -> str:
    return ", ".join(map(str, tensors))


def _ways(interface: Interface, stage: str, spec: WindowSpec) -> list[tuple[int, Binding]]:
    """By frames, how a signature is fed if it is this half; the frames follow from how many numbers it takes."""
    sound = spec.audio_channels * spec.codec.shape.ratio
    each = sound if stage == SAME_ENCODER else spec.latent_channels
    numbers = prod(axis or 0 for axis in interface.inputs[0].shape) if len(interface.inputs) == 1 else 0
    if not numbers or numbers % each:
        return []
    frames = numbers // each
    wanted = signatures(replace(spec, latent_frames=frames))[stage]
    alone = Signature(inputs=tuple(one for one in wanted.inputs if one.name != PRESENT.name), outputs=wanted.outputs)
    return [(frames, way) for way in assignments(interface, alone)]


def _longest(found: Found) -> Interface:
    """The interface that the tensors of the whole are of."""
    _, interfaces, rungs = found
    (given,) = rungs.inputs
    return next(one for one in interfaces if one.inputs[0].shape == given.theirs.shape)


def _entry(stage: str, found: Found, recipe: str, spec: WindowSpec) -> StageFile:
    path, _, rungs = found
    return StageFile(
        file=path.name,
        sha256=sha256_of_model(path),
        size_bytes=size_of_model(path),
        compute=compute_of(recipe, stage),
        signature=signatures(spec)[stage],
        binding=rungs,
    )
