"""The reference pipeline: a model dir as three callables over numpy arrays. Twin of `litert_pipeline/run/pipeline.py`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from reference.exact import in_float64
from reference.model.weights import find_t5_weights, load_into, read_parts, read_t5_tensors
from reference.model_files import SPIECE_NAME, ModelFiles, locate
from reference.modules import build_modules, checkpoint_parts
from reference.spec.config import read_model_spec
from reference.spec.families.table import samplers_of
from reference.spec.generation import Pipeline, Stage
from reference.spec.model import ModelSpec, StageSpec
from reference.spec.prompt import Tokenizer
from reference.spec.stages import CONDITIONER, signatures
from reference.spec.tensors import Array, Signature, Tensors

HELD_BYTES = 2**30  # of float32 weights: all stages of a small model, one of a full-size one


@dataclass(frozen=True, kw_only=True)
class StageModel:
    """Loaded stages, whatever they are good for together. Modules are in evaluation mode; `modules` has one per stage.

    Where they are too large to be held together (`StageModules`), keep a module only as long as it is needed.
    """

    files: ModelFiles
    spec: StageSpec
    modules: Mapping[str, nn.Module]

    def text_files(self) -> Mapping[str, Path]:
        """What it reads text with, beside its own files: "t5" weights and "tokenizer", or nothing."""
        return {}

    def stage(self, name: str) -> Stage:
        """A stage as a function of named numpy arrays; its module is looked up when it is called."""
        signature = signatures(self.spec)[name]
        return lambda feed: TorchStage(self.modules[name], signature)(feed)

    def exact(self, name: str) -> Stage:
        """The same in float64, from the same stored weights."""
        signature = signatures(self.spec)[name]

        def run(feed: Mapping[str, Array]) -> Tensors:
            module = self.modules[name]
            with in_float64(module):
                return TorchStage(module, signature, torch.float64)(feed)

        return run

    @property
    def large(self) -> bool:
        """Whether its stages are too large to be held together; a generation then takes tens of seconds."""
        return isinstance(self.modules, StageModules) and not self.modules.all_held

    def weight_bytes(self, name: str) -> int:
        """How large the stage's weights are."""
        return sum(tensor.nbytes for tensor in self.modules[name].state_dict().values())


@dataclass(frozen=True, kw_only=True)
class Model(StageModel):
    """A loaded model dir of a model that generates."""

    spec: ModelSpec
    tokenizer: Tokenizer

    def to(self, dtype: torch.dtype, stages: tuple[str, ...] = ()) -> "Model":
        """A copy computing in `dtype` from the same stored weights, with `stages` only or, if none is named, all."""
        with torch.device("meta"):
            built = build_modules(self.spec)
        fresh = {name: built[name] for name in stages or self.spec.stages}
        for name, module in fresh.items():
            module.load_state_dict({k: v.to(dtype) for k, v in self.modules[name].state_dict().items()}, assign=True)
        return Model(files=self.files, spec=self.spec, tokenizer=self.tokenizer, modules=frozen(fresh))

    @property
    def t5_folder(self) -> Path:
        return t5_folder(self.files, self.spec)

    def text_files(self) -> Mapping[str, Path]:
        return {"t5": find_t5_weights(self.t5_folder), "tokenizer": self.t5_folder / SPIECE_NAME}

    def pipeline(self) -> Pipeline:
        """All stages, ready to generate."""
        return Pipeline(
            stages={name: self.stage(name) for name in self.modules},
            tokenizer=self.tokenizer,
            latent_shape=self.spec.latent_shape,
            audio_shape=self.spec.audio_shape,
            sample_rate_hz=self.spec.sample_rate_hz,
            level_shift=self.spec.level_shift,
            samplers=samplers_of(self.spec),
            numbers=self.spec.number_names,
        )


class TorchStage:
    """A module behind the stage interface: float32 and int32 arrays in, arrays of the module's dtype out."""

    def __init__(self, module: nn.Module, signature: Signature, dtype: torch.dtype | None = None) -> None:
        """`dtype` is what the module computes in; its parameters' unless given."""
        self.module, self.signature = module, signature
        self.dtype = dtype or next(module.parameters()).dtype

    def __call__(self, feed: Mapping[str, Array]) -> Tensors:
        tensors = {name: torch.from_numpy(array) for name, array in self.signature.bind(feed).items()}
        with torch.inference_mode():
            outputs = self.module(**{n: t.to(self.dtype) if t.is_floating_point() else t for n, t in tensors.items()})
        return {name: tensor.numpy() for name, tensor in outputs.items()}


class StageModules(Mapping[str, nn.Module]):
    """One module per stage. Beyond `held_bytes` of weights in all only the one last asked for is held, and read again."""

    def __init__(
        self, modules: Mapping[str, nn.Module], read: Callable[[str], nn.Module], held_bytes: int = HELD_BYTES
    ) -> None:
        self._names, self._read = tuple(modules), read
        size_bytes = sum(tensor.nbytes for module in modules.values() for tensor in module.state_dict().values())
        self.all_held = size_bytes <= held_bytes
        self._held = dict(modules) if self.all_held else {}

    def __getitem__(self, name: str) -> nn.Module:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._held:
            self._held.clear()  # first, so that never two are there
            self._held[name] = self._read(name)
        return self._held[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def load_model(model: Path) -> Model:
    """Load a model in float32: a model dir, one of its weight files, or an id on the hub.

    Raises InputError for anything missing, damaged, or not fitting together.
    """
    files, spec, tokenizer = read_outline(model)
    modules, files = read_modules(spec, files, spec.stages)
    return Model(files=files, spec=spec, tokenizer=tokenizer, modules=StageModules(modules, partial(_read_module, spec, files)))


def read_outline(model: Path) -> tuple[ModelFiles, ModelSpec, Tokenizer]:
    """What is known of a model before its weights are read. Raises InputError like `load_model`."""
    files = locate(model)
    spec = read_model_spec(files.config, files.t5_folder)
    spiece = t5_folder(files, spec) / SPIECE_NAME
    return files, spec, Tokenizer(spiece, spec.prompt.max_length, spec.t5.vocab_size)


def t5_folder(files: ModelFiles, spec: ModelSpec) -> Path:
    """The T5 folder the config names."""
    return files.t5_folder(spec.prompt.t5_name)


def _read_module(spec: ModelSpec, files: ModelFiles, stage: str) -> nn.Module:
    return read_modules(spec, files, (stage,))[0][stage]


def read_modules(
    spec: ModelSpec, files: ModelFiles, stages: tuple[str, ...]
) -> tuple[dict[str, nn.Module], ModelFiles]:
    """The modules of `stages` with their weights, and the files these came from; every tensor in a file must belong
    to some stage."""
    with torch.device("meta"):  # no storage: the checkpoint's tensors become the parameters
        built = build_modules(spec)
    modules = {stage: built[stage] for stage in stages}
    state, files = read_parts(files, tuple(checkpoint_parts(spec, built)))
    parts = checkpoint_parts(spec, modules)
    foreign = tuple(checkpoint_parts(spec, {name: module for name, module in built.items() if name not in stages}))
    load_into(parts, {name: tensor for name, tensor in state.items() if not name.startswith(foreign)}, files.weights)
    del state  # the modules hold the tensors now, and only those
    if CONDITIONER in modules:
        t5_weights = find_t5_weights(t5_folder(files, spec))
        load_into({"": modules[CONDITIONER].get_submodule("t5")}, read_t5_tensors(t5_weights), t5_weights)
    return frozen(modules), files


def frozen(modules: dict[str, nn.Module]) -> dict[str, nn.Module]:
    """The modules in evaluation mode and without gradients."""
    return {name: module.eval().requires_grad_(False) for name, module in modules.items()}
