"""The tensors that cross a stage, described once: name, axes in order, dtype."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.spec.errors import InputError
from reference.spec.model import ModelSpec

Array = NDArray[Any]
Tensors = dict[str, Array]

STAGES = ("conditioner", "dit", "decoder")  # what every generation runs, in this order
ENCODER = "encoder"  # only audio-to-audio runs it, so a bundle may do without
ALL_STAGES = (*STAGES, ENCODER)


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A named tensor. `axes` maps axis name to length, in order."""

    name: str
    axes: Mapping[str, int]
    dtype: str = "float32"

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.axes.values())

    def check(self, array: Array) -> Array:
        """Return `array` unchanged if it fits. Raises InputError naming axes and dtypes otherwise."""
        if array.shape != self.shape or array.dtype != np.dtype(self.dtype):
            raise InputError(f"tensor '{self.name}': found {array.dtype}{list(array.shape)}, expected {self}")
        return array

    def __str__(self) -> str:
        axes = ", ".join(f"{name}={length}" for name, length in self.axes.items())
        return f"{self.dtype}[{axes}]"


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What a stage takes and what it returns."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def same_tensors(self, other: "Signature") -> bool:
        """Whether both have the same tensors, whatever their order."""
        ours, theirs = ({t.name: (t.shape, t.dtype) for t in (*s.inputs, *s.outputs)} for s in (self, other))
        return ours == theirs

    def bind(self, feed: Mapping[str, Array]) -> Tensors:
        """The declared inputs of `feed`, each checked, in declared order; other entries are left aside."""
        missing = [tensor.name for tensor in self.inputs if tensor.name not in feed]
        if missing:
            raise InputError(f"input tensors {missing} are missing, got {sorted(feed)}")
        return {tensor.name: tensor.check(feed[tensor.name]) for tensor in self.inputs}


def signatures(spec: ModelSpec) -> dict[str, Signature]:
    """The signature of every stage of the model `spec` describes, at batch 1."""
    ids = {"batch": 1, "token": spec.prompt.max_length}
    cross = Tensor(
        name="cross_attention_cond",
        axes={"batch": 1, "cond_token": spec.prompt.max_length + 1, "cond_channel": spec.cond_dim},
    )
    glob = Tensor(name="global_cond", axes={"batch": 1, "cond_channel": spec.cond_dim})
    latent_axes = {"batch": 1, "latent_channel": spec.latent_channels, "frame": spec.latent_frames}
    audio = Tensor(name="audio", axes={"batch": 1, "audio_channel": spec.audio_channels, "sample": spec.sample_size})
    return {
        "conditioner": Signature(
            inputs=(
                Tensor(name="input_ids", axes=ids, dtype="int32"),
                Tensor(name="attention_mask", axes=ids, dtype="int32"),
                Tensor(name="seconds_total", axes={"batch": 1}),
            ),
            outputs=(cross, glob),
        ),
        "dit": Signature(
            inputs=(Tensor(name="x", axes=latent_axes), Tensor(name="t", axes={"batch": 1}), cross, glob),
            outputs=(Tensor(name="velocity", axes=latent_axes),),
        ),
        "decoder": Signature(
            inputs=(Tensor(name="latents", axes=latent_axes),),
            outputs=(audio,),
        ),
        ENCODER: Signature(
            inputs=(audio, Tensor(name="encoder_noise", axes=latent_axes)),
            outputs=(Tensor(name="init_latents", axes=latent_axes),),
        ),
    }
