"""mlx-audiogen, somebody else's port to MLX, run by its own code: what it converted, through its own modules.

Nothing of it is repaired here. Between its modules and ours stand only what its own pipeline does there: transpositions, the
mean for the encoder, tokens padded to its own length.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from litert_pipeline.bundle import Bundle
from litert_pipeline.mlx_file import read_described_as
from parity.runtimes.mlx_ import missing as mlx_missing
from reference.spec.errors import InputError
from reference.spec.generation import Stage
from reference.spec.model import OobleckSpec
from reference.spec.stages import CONDITIONER, DECODER, DIT, ENCODER
from reference.spec.tensors import Array, Signature, Tensors

PACKAGE = "mlx_audiogen"
HALVES = {DECODER: "decoder.", ENCODER: "encoder."}  # of its autoencoder, by the prefix of its keys

Run = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@cache
def missing() -> str | None:
    """Why it cannot be run here; None where it can."""
    if find_spec(PACKAGE) is None:
        return "mlx-audiogen is not installed ('pip install --no-deps mlx-audiogen==0.2.0' does it)"
    return mlx_missing()


@contextmanager
def open_stage(
    model: object, bundle: Bundle | None, stage: str, compute: str | None, threads: int
) -> Iterator[Stage]:
    """A stage of what it converted. Raises InputError for a file that its own loader refuses."""
    assert bundle is not None, "it runs a bundle"
    entry, path = bundle.manifest.stages[stage], bundle.path(stage)
    try:
        run = OPENERS[stage](path, read_described_as(path, stage).parts)
    except (ValueError, KeyError) as error:
        raise InputError(f"{path}: mlx-audiogen cannot load it ({' '.join(str(error).split())})") from None
    yield entry.translated(_crossing(run, entry.own_signature))


def _crossing(run: Run, signature: Signature) -> Stage:
    """numpy in and out around its arrays."""
    import mlx.core as mx

    def stage(feed: Mapping[str, Array]) -> Tensors:
        answers = run({name: mx.array(array) for name, array in signature.bind(feed).items()})
        return {tensor.name: np.array(answers[tensor.name].astype(mx.float32)) for tensor in signature.outputs}

    return stage


def _dit(path: Path, parts: Mapping[str, Any]) -> Run:
    """Its configuration is inferred from the tensors by its own function, the number of heads said by hand."""
    from mlx_audiogen.models.stable_audio.config import DiTConfig
    from mlx_audiogen.models.stable_audio.dit import StableAudioDiT
    from mlx_audiogen.models.stable_audio.pipeline import _infer_dit_config

    tensors = _loaded(path)
    told = _infer_dit_config(DiTConfig.from_dict(asdict(parts["transformer"]) | {"qk_norm": False}), tensors)
    module = StableAudioDiT(told)
    module.load_weights(_arrays(tensors))
    return lambda fed: {
        "velocity": module(
            fed["x"], fed["t"], cross_attn_cond=fed["cross_attention_cond"], global_embed=fed["global_cond"]
        )
    }


def _codec(path: Path, spec: OobleckSpec, half: str) -> Any:
    from mlx_audiogen.models.stable_audio.config import OobleckConfig
    from mlx_audiogen.models.stable_audio.vae import AutoencoderOobleck

    latent_dim = spec.latent_dim // 2 if half == HALVES[ENCODER] else spec.latent_dim
    said = asdict(spec) | {"in_channels": spec.audio_channels, "latent_dim": latent_dim}
    module = getattr(AutoencoderOobleck(OobleckConfig.from_dict(said)), half.rstrip("."))
    module.load_weights([(name.removeprefix(half), array) for name, array in _arrays(_loaded(path))])
    return module


def _decoder(path: Path, parts: Mapping[str, Any]) -> Run:
    module = _codec(path, parts["codec"], HALVES[DECODER])
    return lambda fed: {"audio": module(fed["latents"].transpose(0, 2, 1)).transpose(0, 2, 1)}


def _encoder(path: Path, parts: Mapping[str, Any]) -> Run:
    """Its pipeline takes the mean and draws no noise."""
    module = _codec(path, parts["codec"], HALVES[ENCODER])
    latent_dim = parts["codec"].latent_dim // 2
    return lambda fed: {"init_latents": module(fed["audio"].transpose(0, 2, 1))[:, :, :latent_dim].transpose(0, 2, 1)}


class _Handed:
    """Stands for its tokenizer: hands over tokens that are there already, padded to what it is asked for."""

    def __init__(self) -> None:
        self.ids, self.mask = np.zeros((1, 0), np.int32), np.zeros((1, 0), np.int32)

    def __call__(self, prompt: str, *, max_length: int, **kwargs: object) -> dict[str, Array]:
        left = ((0, 0), (0, max_length - self.ids.shape[1]))
        return {"input_ids": np.pad(self.ids, left), "attention_mask": np.pad(self.mask, left)}


def _conditioner(path: Path, parts: Mapping[str, Any]) -> Run:
    import mlx.core as mx
    from mlx_audiogen.models.stable_audio.conditioners import Conditioners
    from mlx_audiogen.models.stable_audio.pipeline import _remap_t5_keys
    from mlx_audiogen.shared.t5 import T5Config, T5EncoderModel

    tensors, numbers = _loaded(path), parts["numbers"]
    own = {name: array for name, array in tensors.items() if name.startswith("conditioner.")}
    t5 = T5EncoderModel(T5Config.from_dict(asdict(parts["t5"])))
    t5.load_weights(_arrays(_remap_t5_keys({name: array for name, array in tensors.items() if name not in own})))
    handed = _Handed()
    module = Conditioners(t5, handed, has_seconds_start=any("seconds_start" in name for name in own))
    module.load_weights({name: mx.array(array) for name, array in own.items()})

    def run(fed: Mapping[str, Any]) -> Mapping[str, Any]:
        handed.ids, handed.mask = np.array(fed["input_ids"]), np.array(fed["attention_mask"])
        cross, glob = module("", **{number.name: fed[number.name] for number in numbers})
        return {"cross_attention_cond": cross, "global_cond": glob}

    return run


def _loaded(path: Path) -> dict[str, Array]:
    from mlx_audiogen.shared.hub import load_safetensors

    found: dict[str, Array] = load_safetensors(path)
    return found


def _arrays(tensors: Mapping[str, Array]) -> list[tuple[str, Any]]:
    import mlx.core as mx

    return [(name, mx.array(array)) for name, array in tensors.items()]


OPENERS: Mapping[str, Callable[[Path, Mapping[str, Any]], Run]] = {
    CONDITIONER: _conditioner, DIT: _dit, DECODER: _decoder, ENCODER: _encoder,
}  # fmt: skip
