"""The reference pipeline: a model dir as three callables over numpy arrays. Twin of `litert_pipeline/run/pipeline.py`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from reference.model.conditioner import Conditioner
from reference.model.decoder import Decoder
from reference.model.dit import DiT
from reference.model.encoder import Encoder
from reference.model.weights import find_t5_weights, load_into, read_parts, read_t5_tensors
from reference.model_files import SPIECE_NAME, ModelFiles, locate
from reference.spec.config import read_model_spec
from reference.spec.generation import Pipeline, Stage
from reference.spec.model import ModelSpec
from reference.spec.prompt import Tokenizer
from reference.spec.tensors import ALL_STAGES, Array, Signature, Tensors, signatures


@dataclass(frozen=True, kw_only=True)
class Model:
    """A loaded model dir. Modules are in evaluation mode; `modules` has one per stage, the encoder among them."""

    files: ModelFiles
    spec: ModelSpec
    tokenizer: Tokenizer
    modules: Mapping[str, nn.Module]

    def to(self, dtype: torch.dtype, stages: tuple[str, ...] = ALL_STAGES) -> "Model":
        """A copy computing in `dtype` from the same stored weights, with `stages` only."""
        with torch.device("meta"):
            built = build_modules(self.spec)
        fresh = {name: built[name] for name in stages}
        for name, module in fresh.items():
            module.load_state_dict({k: v.to(dtype) for k, v in self.modules[name].state_dict().items()}, assign=True)
        return Model(files=self.files, spec=self.spec, tokenizer=self.tokenizer, modules=frozen(fresh))

    @property
    def t5_folder(self) -> Path:
        return self.files.t5_folder(self.spec.prompt.t5_name)

    def stage(self, name: str) -> Stage:
        """A stage as a function of named numpy arrays."""
        return TorchStage(self.modules[name], signatures(self.spec)[name])

    def pipeline(self) -> Pipeline:
        """All stages, ready to generate."""
        return Pipeline(
            stages={name: self.stage(name) for name in self.modules},
            tokenizer=self.tokenizer,
            latent_shape=self.spec.latent_shape,
            audio_shape=self.spec.audio_shape,
            sample_rate_hz=self.spec.sample_rate_hz,
            level_shift=self.spec.level_shift,
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


def load_model(model: Path) -> Model:
    """Load a model in float32: a model dir, one of its weight files, or an id on the hub.

    Raises InputError for anything missing, damaged, or not fitting together.
    """
    files = locate(model)
    spec = read_model_spec(files.config, files.t5_folder)
    t5_folder = files.t5_folder(spec.prompt.t5_name)
    with torch.device("meta"):  # no storage: the checkpoint's tensors become the parameters
        modules = build_modules(spec)
    parts = checkpoint_parts(modules)
    state, files = read_parts(files, tuple(parts))
    load_into(parts, state, files.weights)
    del state  # the modules hold the tensors now, and only those
    t5_weights = find_t5_weights(t5_folder)
    load_into({"": modules["conditioner"].get_submodule("t5")}, read_t5_tensors(t5_weights), t5_weights)
    tokenizer = Tokenizer(t5_folder / SPIECE_NAME, spec.prompt.max_length, spec.t5.vocab_size)
    return Model(files=files, spec=spec, tokenizer=tokenizer, modules=frozen(modules))


def checkpoint_parts(modules: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """What the official checkpoint holds, by key prefix. T5 has a file of its own."""
    return {
        "model.model.": modules["dit"],
        "pretransform.model.encoder.": modules["encoder"],
        "pretransform.model.decoder.": modules["decoder"],
        "conditioner.conditioners.": modules["conditioner"].get_submodule("conditioners"),
    }


def build_modules(spec: ModelSpec) -> dict[str, nn.Module]:
    """One module per stage, and the encoder, untrained."""
    return {
        "conditioner": Conditioner(spec),
        "dit": DiT(spec.dit),
        "decoder": Decoder(spec.decoder, spec.chunks),
        "encoder": Encoder(spec.encoder, spec.chunks),
    }


def frozen(modules: dict[str, nn.Module]) -> dict[str, nn.Module]:
    """The modules in evaluation mode and without gradients."""
    return {name: module.eval().requires_grad_(False) for name, module in modules.items()}
