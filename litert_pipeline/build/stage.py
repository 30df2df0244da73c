"""One stage of a model to a file: its module rewritten for conversion, written by the converter its recipe asks for."""

import mmap
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from litert_pipeline.build.channels_last import ChannelsLast, channels_last, windowed
from litert_pipeline.build.export import write_litert, write_onnx
from litert_pipeline.build.mlx import write_mlx
from litert_pipeline.build.norms import ScaledNorm, scaled_norms
from litert_pipeline.build.onnx2tf import write_onnx2tf
from litert_pipeline.build.recipes import Recipe
from litert_pipeline.build.rewrites import fold_oobleck, freeze_rope
from litert_pipeline.build.same import fixed_window
from litert_pipeline.mlx_file import MLX, SUFFIX
from reference.pipeline import Model, StageModel
from reference.spec.model import ModelSpec
from reference.spec.stages import CODEC_STAGES, DECODER, DIT, ENCODER, signatures
from reference.spec.tensors import Signature

# `WEIGHTS`: plain, and RoPE left as frequencies, for a runtime that has the graph as code.
PLAIN, CHANNELS_LAST, WINDOWED, WEIGHTS = "plain", "channels_last", "windowed", "weights"
Write = Callable[[nn.Module, Any, str, Path], None]  # a stage's module, the model, which stage, the file to write


@dataclass(frozen=True, kw_only=True)
class Route:
    """A converter, the suffix of what it writes, and in which form modules are handed to it."""

    suffix: str
    write: Write
    form: str = PLAIN


def _traced(write: Callable[[nn.Module, Signature, Path], None]) -> Write:
    """A converter that follows what a module does with tensors of a signature."""
    return lambda module, spec, stage, path: write(module, signatures(spec)[stage], path)


# By what name a recipe asks for a converter.
ROUTES: dict[str, Route] = {
    "litert": Route(suffix=".tflite", write=_traced(write_litert), form=CHANNELS_LAST),
    "litert_windowed": Route(suffix=".tflite", write=_traced(write_litert), form=WINDOWED),
    "litert_plain": Route(suffix=".tflite", write=_traced(write_litert)),
    "onnx": Route(suffix=".onnx", write=_traced(write_onnx)),
    MLX: Route(suffix=SUFFIX, write=write_mlx, form=WEIGHTS),
    "onnx2tf": Route(suffix=".tflite", write=_traced(partial(write_onnx2tf, precision="float32"))),
    "onnx2tf_float16": Route(suffix=".tflite", write=_traced(partial(write_onnx2tf, precision="float16"))),
}


def exportable(model: StageModel, stage: str, form: str = CHANNELS_LAST) -> nn.Module:
    """The stage's module, rewritten for conversion. All but `PLAIN` and `WEIGHTS` are for LiteRT: the VAE as `form` says, the DiT
    ready to be computed in half."""
    module = model.modules[stage]
    if stage in CODEC_STAGES:
        return fixed_window(module, model.spec.latent_frames)
    if stage == DIT:
        assert isinstance(model, Model)
        return _exportable_dit(module, model.spec, form)
    folded = fold_oobleck(module)
    if form in (PLAIN, WEIGHTS) or stage not in (DECODER, ENCODER):
        return folded
    last = channels_last(folded)
    return windowed(last) if form == WINDOWED and stage == DECODER else last


def _exportable_dit(dit: nn.Module, spec: ModelSpec, form: str) -> nn.Module:
    if form == WEIGHTS:
        return dit
    frozen = freeze_rope(dit, spec.dit.positions(spec.latent_frames))
    return frozen if form == PLAIN else scaled_norms(frozen)


def as_converted(model: StageModel, stage: str, path: Path) -> nn.Module:
    """The module that the stage's file was made of: a converter names what it writes by its parts.

    Windows are left out: what runs once for every window has no one output to compare.
    """
    return exportable(model, stage, CHANNELS_LAST if any(_names(path, part) for part in (ChannelsLast, ScaledNorm)) else PLAIN)


def _names(path: Path, part: type[nn.Module]) -> bool:
    """Whether tensors of a file are named after a class of modules."""
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.find(f"{part.__module__}.{part.__qualname__}".encode()) >= 0


def stage_name(stage: str, recipe: Recipe) -> str:
    """What a bundle calls the stage's file."""
    return f"{stage}{_route(stage, recipe).suffix}"


def write_stage(model: StageModel, stage: str, recipe: Recipe, path: Path) -> None:
    """Convert one stage to a file."""
    route = _route(stage, recipe)
    route.write(exportable(model, stage, route.form), model.spec, stage, path)


def _route(stage: str, recipe: Recipe) -> Route:
    return ROUTES[recipe.routes.get(stage, recipe.format)]
