"""Faults of the VAE's decoder."""

from collections.abc import Callable
from types import MethodType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from parity.faults.edits import answer, at, everywhere, in_the_place_of, int8_per_tensor, replaced
from parity.faults.fault import DERIVED, Fault
from parity.faults.injection import InModule, InStage
from parity.faults.wiring import answering, fed
from reference.model.oobleck import SNAKE_EPS, Conv, Snake, UpConv
from reference.spec.tensors import Array

BLOCKS = "stable-audio-tools models/blocks.py, autoencoders.py"
LAST_UPSAMPLING, LAST_CONVOLUTION = "layers.5.layers.1", "layers.7"


def audio(change: Callable[[Array], Array]) -> InStage:
    return InStage(stage="decoder", wrong=answering("audio", change))


def alpha_for_beta(snake: Snake) -> None:
    snake.alpha.data, snake.beta.data = snake.beta.data, snake.alpha.data


class LinearSnake(nn.Module):
    """Snake that takes its logarithmic parameters for the values."""

    def __init__(self, snake: Snake) -> None:
        super().__init__()
        self.alpha, self.beta = snake.alpha, snake.beta

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.alpha[None, :, None], self.beta[None, :, None]
        return x + (1 / (b + SNAKE_EPS)) * torch.sin(a * x).square()


class LateUpConv(nn.Module):
    """An upsampling whose padding is one too small and whose end is cut.

    Cut by hand: the converter takes a transposed convolution without padding, or one that gives stride times the length.
    """

    def __init__(self, conv: UpConv) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(conv.kernel()), conv.bias
        self.stride, self.padding = conv.stride, conv.padding

    def forward(self, x: Tensor) -> Tensor:
        start, samples = self.padding - 1, x.shape[2] * self.stride
        return F.conv_transpose1d(x, self.weight, self.bias, self.stride)[..., start : start + samples]


def normed_over_outputs(conv: UpConv) -> None:
    def kernel(self: UpConv) -> Tensor:
        return self.weight_g * self.weight_v / self.weight_v.square().sum((0, 2), keepdim=True).sqrt()

    conv.kernel = MethodType(kernel, conv)  # type: ignore[method-assign]


def undilated(conv: Conv) -> None:
    if conv.dilation > 1:
        conv.dilation, conv.padding = 1, conv.weight_v.shape[2] // 2


def tanh_at_the_end(layers: nn.Sequential) -> None:
    layers[-1] = nn.Tanh()


def two_chunks(self: Any, right: Any, **inputs: Tensor) -> dict[str, Tensor]:
    return {"audio": torch.cat([self.layers(part) for part in inputs["latents"].chunk(2, dim=2)], dim=2)}


class Int8Conv(nn.Module):
    """A convolution whose inputs and kernel are in eight bits, one scale each."""

    def __init__(self, conv: Conv) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(int8_per_tensor(conv.kernel())), conv.bias
        self.padding = conv.padding

    def forward(self, x: Tensor) -> Tensor:
        return F.conv1d(int8_per_tensor(x), self.weight, self.bias, padding=self.padding)


def one_frame_nan(sound: Array) -> Array:
    spoiled = sound.copy()
    spoiled[..., 2048:4096] = np.nan
    return spoiled


def wrapped_int16(sound: Array) -> Array:
    """Full scale is taken for half of it: what is louder comes back with the other sign."""
    return ((sound * 2 + 1) % 2 - 1).astype(np.float32) / np.float32(2)


def limited(share_of_peak: float) -> Callable[[Array], Array]:
    def change(sound: Array) -> Array:
        top = np.abs(sound).max() * np.float32(share_of_peak)
        return np.clip(sound, -top, top)

    return change


def tail_lost(sound: Array) -> Array:
    kept = sound.copy()
    kept[..., -2048:] = 0
    return kept


def mono(sound: Array) -> Array:
    return np.repeat(sound.mean(axis=1, keepdims=True), 2, axis=1)


def offset(sound: Array) -> Array:
    tenth: Array = np.float32(0.1) * np.sqrt(np.mean(sound.astype(np.float64) ** 2)).astype(np.float32)
    return sound + tenth


DECODER = (
    Fault(
        name="channels_swapped", stage="decoder", site="wiring", sentence="left is right",
        source=DERIVED,
        inject=audio(lambda sound: sound[:, ::-1]),
    ),
    Fault(
        name="gain", stage="decoder", site="graph", sentence="5 % too loud", source=DERIVED,
        inject=audio(lambda sound: sound * np.float32(1.05)),
    ),
    Fault(
        name="polarity", stage="decoder", site="graph", sentence="upside down", source=BLOCKS,
        inject=audio(np.negative),
    ),
    Fault(
        name="one_sample_late", stage="decoder", site="graph", sentence="all is one sample late",
        source=DERIVED,
        inject=audio(lambda sound: np.roll(sound, 1, axis=-1)),
    ),
    Fault(
        name="mono", stage="decoder", site="wiring", sentence="both channels hold their mean",
        source=DERIVED,
        inject=audio(mono),
    ),
    Fault(
        name="silence", stage="decoder", site="runtime", sentence="zeros, and success reported",
        source="comfyui-mcp#1458, vllm-omni#1664",
        inject=audio(np.zeros_like),
    ),
    Fault(
        name="nan_frame", stage="decoder", site="runtime", sentence="one latent frame's audio is NaN",
        source="ComfyUI#16249, ACE-Step-1.5#318",
        inject=audio(one_frame_nan), graded=False,
    ),
    Fault(
        name="int16_wraps", stage="decoder", site="wiring", sentence="what is beyond half of full scale changes sign",
        source="stable-audio-tools#228",
        inject=audio(wrapped_int16),
    ),
    Fault(
        name="clipped", stage="decoder", site="wiring", sentence="peaks are cut at 90 %", source="stable-audio-3#99",
        inject=audio(limited(0.9)),
    ),
    Fault(
        name="offset", stage="decoder", site="graph", sentence="a constant of a tenth of the RMS is added",
        source=DERIVED,
        inject=audio(offset),
    ),
    Fault(
        name="tail_lost", stage="decoder", site="wiring", sentence="the last latent frame's audio is never written",
        source=DERIVED, inject=audio(tail_lost),
    ),
    Fault(
        name="latents_transposed", stage="decoder", site="wiring", sentence="latents are read frame by frame",
        source=DERIVED,
        inject=InStage(
            stage="decoder",
            wrong=fed("latents", lambda z: np.ascontiguousarray(z.transpose(0, 2, 1)).reshape(z.shape)),
        ),
    ),
    Fault(
        name="snake_alpha_for_beta", stage="decoder", site="weights", sentence="alpha and beta of Snake change places",
        source=BLOCKS, inject=InModule(stage="decoder", edit=everywhere(Snake, alpha_for_beta)),
    ),
    Fault(
        name="snake_not_exponentiated", stage="decoder", site="graph", sentence="logarithms of alpha and beta are taken for them",
        source=BLOCKS, inject=InModule(stage="decoder", edit=replaced(Snake, LinearSnake)),
    ),
    Fault(
        name="upsampling_cropped", stage="decoder", site="graph", sentence="the last upsampling is cropped one sample off",
        source=DERIVED,
        inject=InModule(stage="decoder", edit=in_the_place_of(LAST_UPSAMPLING, LateUpConv)),
    ),
    Fault(
        name="weight_norm_axis", stage="decoder", site="weights", sentence="upsampling kernels are normed over outputs",
        source="CoreML-Models#67: weight norm is removed first",
        inject=InModule(stage="decoder", edit=everywhere(UpConv, normed_over_outputs)),
    ),
    Fault(
        name="undilated", stage="decoder", site="graph", sentence="dilated convolutions lost their dilation",
        source=DERIVED, inject=InModule(stage="decoder", edit=everywhere(Conv, undilated)),
    ),
    Fault(
        name="tanh_added", stage="decoder", site="graph", sentence="a tanh at the end, where the config says none",
        source="stable-audio-3#99", inject=InModule(stage="decoder", edit=at("layers", tanh_at_the_end)),
    ),
    Fault(
        name="chunk_seam", stage="decoder", site="graph", sentence="decoded in two chunks that do not overlap",
        source="audio.cpp#429, Apollo#43", inject=InModule(stage="decoder", edit=answer(two_chunks)),
    ),
    Fault(
        name="int8_last_layer", stage="decoder", site="weights", sentence="the last convolution is INT8, inputs included",
        source="stable-audio-3#99", inject=InModule(stage="decoder", edit=in_the_place_of(LAST_CONVOLUTION, Int8Conv)),
    ),
)  # fmt: skip
