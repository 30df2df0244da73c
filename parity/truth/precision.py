"""The reference at reduced precision: how large an error is to be expected of INT8 or FP16, output by output.

A converted variant is not held to these values, only to their size: a runtime that quantizes the same weights in the same
way errs as much, whatever the prompt, the step or the model, and a fault that hides below a fixed limit stands out beside it.
"""

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from litert_pipeline.build.channels_last import LastConv, LastUpConv, Pointwise
from litert_pipeline.build.stage import exportable
from parity.truth.half_sums import sums_in_half
from reference.model.conditioner import NumberFeatures
from reference.pipeline import StageModel, TorchStage
from reference.spec.half import LARGEST_SUBNORMAL
from reference.spec.stages import signatures

Round = Callable[[Tensor], Tensor]
INT8_LARGEST, INT4_LARGEST, UINT8_STEPS = 127, 7, 255
BLOCK, GROUP = 32, 64
SHORT_BITS = 17  # 128 roundings of float32: what layers lose in float32 itself is next to nothing beside it
LEAST_SCALE = 1e-7  # of MLX's


@dataclass(frozen=True, kw_only=True)
class Precision:
    """What is rounded, and how: weights, and inputs, of layers of some kinds; or weights and outputs of all modules."""

    weights: Round
    inputs: Round | None = None
    convolved: Round | None = None  # what a convolution is fed, where that is rounded otherwise
    outputs: Round | None = None
    kinds: tuple[type[nn.Module], ...] = (nn.Module,)
    within: str = ""  # only modules whose path has it: a regular expression
    summed_in_half: bool = False  # products are added up in half precision, as Neon does
    turns: bool = False  # the turn that a number's frequencies are multiplied with is rounded as weights are

    def applied(self, module: nn.Module) -> nn.Module:
        """A copy of `module` that rounds."""
        rounded = copy.deepcopy(module)
        for path, part in rounded.named_modules():
            if self.turns and isinstance(part, NumberFeatures):
                part.turn = float(self.weights(torch.tensor(part.turn)))
            if isinstance(part, self.kinds) and re.search(self.within, path):
                for tensor in (*part.parameters(recurse=False), *part.buffers(recurse=False)):
                    if tensor.is_floating_point() and (self.kinds == (nn.Module,) or tensor.ndim > 1):
                        tensor.data = self.weights(tensor.data)
                inputs = self.convolved if isinstance(part, CONVOLUTIONS) and self.convolved else self.inputs
                if inputs is not None:
                    part.register_forward_pre_hook(_fed(inputs))
                if self.summed_in_half and isinstance(part, DENSE):
                    part.register_forward_hook(sums_in_half(part, path))
                if self.outputs is not None and not list(part.children()):
                    part.register_forward_hook(_answer(self.outputs))
        return rounded


def half(x: Tensor) -> Tensor:
    """The nearest float16."""
    return x.half().to(x.dtype)


def half_flushed(x: Tensor) -> Tensor:
    """The nearest float16 on a CPU that flushes, as LiteRT has Arm's (FZ16): 0 where it would be subnormal."""
    return torch.nn.functional.hardshrink(half(x), LARGEST_SUBNORMAL)


def as_they_are(weight: Tensor) -> Tensor:
    """Not rounded."""
    return weight


def cut(x: Tensor, bits: int = SHORT_BITS) -> Tensor:
    """The nearest number of so many bits."""
    mantissa, exponent = torch.frexp(x)
    return torch.ldexp((mantissa * 2**bits).round() / 2**bits, exponent)


def int8_channels(weight: Tensor) -> Tensor:
    """INT8 with one symmetric scale per output channel, which is the first axis."""
    return _symmetric(weight, tuple(range(1, weight.ndim)), INT8_LARGEST)


def int4_blocks(weight: Tensor) -> Tensor:
    """INT4 with one symmetric scale per `BLOCK` inputs; per output channel where these are no whole blocks."""
    if weight[0].numel() % BLOCK:
        return _symmetric(weight, tuple(range(1, weight.ndim)), INT4_LARGEST)
    blocks = weight.reshape(weight.shape[0], -1, BLOCK)
    return _symmetric(blocks, (-1,), INT4_LARGEST).reshape(weight.shape)


def affine_groups(weight: Tensor, bits: int) -> Tensor:
    """A scale and an offset per `GROUP` inputs, as MLX's `quantize` finds them: the end of the group that is farther from zero is
    met exactly, and a level lies on zero, so the other end may be cut off. One of each per output channel where its inputs are
    no whole groups, which MLX does not take.

    Source: MLX, `mlx/backend/common` and its documentation of `quantize`, mode "affine".
    """
    size = weight[0].numel()
    groups, levels = weight.reshape(weight.shape[0], -1, size if size % GROUP else GROUP), 2**bits - 1
    low, high = groups.amin(-1, keepdim=True), groups.amax(-1, keepdim=True)
    below = low.abs() > high.abs()
    scale = ((high - low) / levels).clamp(min=LEAST_SCALE) * torch.where(below, 1.0, -1.0)
    edge = torch.where(below, low, high)
    whole = (edge / scale).round()
    scale, offset = torch.where(whole == 0, scale, edge / whole), torch.where(whole == 0, 0.0, edge)
    return (((groups - offset) / scale).round().clamp(0, levels) * scale + offset).reshape(weight.shape)


def int8_rows(x: Tensor) -> Tensor:
    """INT8 with a scale and a zero point per row, as XNNPACK quantizes what a dense layer is fed."""
    return _asymmetric(x, x.amin(-1, keepdim=True), x.amax(-1, keepdim=True))


def int8_blocks(x: Tensor, size: int) -> Tensor:
    """INT8 with one symmetric scale per `size` values of a row, as ONNX Runtime quantizes what MatMulNBits is fed."""
    width = x.shape[-1]
    padded = torch.nn.functional.pad(x, (0, -width % size))
    blocks = padded.reshape(*x.shape[:-1], -1, size)
    return _symmetric(blocks, (-1,), INT8_LARGEST).reshape(padded.shape)[..., :width]


def int8_tensor(x: Tensor) -> Tensor:
    """INT8 with one scale and zero point, as ONNX Runtime quantizes it, and XNNPACK a convolution's input."""
    return _asymmetric(x, x.amin(), x.amax())


INNER = r"layers\.\d+\.layers"  # of a decoder all but its first and last convolution
CONVOLUTIONS = (nn.Conv1d, LastConv)
CODEC = (LastConv, LastUpConv, Pointwise)  # what an autoencoder's layers are when they are converted
DENSE = (nn.Linear, nn.Conv1d, *CODEC)
PRECISIONS: Mapping[str, Precision] = {
    # How far a model carries what its layers lose: float32's own loss follows it, whatever the weights.
    "17_bits": Precision(weights=as_they_are, outputs=cut),
    "int8_rows": Precision(weights=int8_channels, inputs=int8_rows, convolved=int8_tensor, kinds=DENSE),
    "int8_tensor": Precision(weights=int8_channels, inputs=int8_tensor, kinds=(nn.Linear, *CODEC)),
    "int8_decoder": Precision(
        weights=int8_channels, inputs=int8_rows, convolved=int8_tensor, kinds=CODEC, within=INNER
    ),
    "int8_weights": Precision(weights=int8_channels, kinds=DENSE),
    "int4_weights": Precision(weights=int4_blocks, kinds=(nn.Linear, *CODEC), within=r"layers?\."),
    "int8_groups": Precision(weights=partial(affine_groups, bits=8), kinds=(nn.Linear, *CODEC), within=r"layers?\."),
    "int4_groups": Precision(weights=partial(affine_groups, bits=4), kinds=(nn.Linear, *CODEC), within=r"layers?\."),
    "fp16_weights": Precision(weights=half),
    "fp16_constants": Precision(weights=half, turns=True),
    "fp16": Precision(weights=half, inputs=half, outputs=half),
    "fp16_half_sums": Precision(
        weights=half_flushed, inputs=half_flushed, outputs=half_flushed, summed_in_half=True
    ),
}


def reduced(model: StageModel, stage: str, name: str) -> TorchStage:
    """A stage of the float32 reference at one of `PRECISIONS`."""
    module = PRECISIONS[name].applied(exportable(model, stage))
    return TorchStage(module, signatures(model.spec)[stage], torch.float32)


def _symmetric(weight: Tensor, axes: tuple[int, ...], largest: int) -> Tensor:
    scale = weight.abs().amax(axes, keepdim=True) / largest
    scale = torch.where(scale == 0, torch.ones_like(scale), scale)
    return (weight / scale).round() * scale


def _asymmetric(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Zero stays exactly zero."""
    low, high = low.clamp(max=0), high.clamp(min=0)
    scale = (high - low) / UINT8_STEPS
    scale = torch.where(scale == 0, torch.ones_like(scale), scale)
    zero = (-low / scale).round()
    return (((x / scale).round() + zero).clamp(0, UINT8_STEPS) - zero) * scale


def _fed(change: Round) -> Callable[..., object]:
    def hook(part: nn.Module, inputs: tuple[object, ...]) -> tuple[object, ...]:
        return tuple(change(x) if isinstance(x, Tensor) and x.is_floating_point() else x for x in inputs)

    return hook


def _answer(change: Round) -> Callable[..., object]:
    def changed(output: object) -> object:
        if isinstance(output, dict):
            return {name: changed(one) for name, one in output.items()}
        return change(output) if isinstance(output, Tensor) and output.is_floating_point() else output

    return lambda part, inputs, output: changed(output)
