"""What adding up in half precision loses, drawn: a yardstick for the FP16 of Neon and AVX512, which add product after product.

Every partial sum S of n is rounded, by 2**-10 of its binade, evenly. Over mantissas of all sizes that is `ROUNDING` times |S|,
as a standard deviation. Partial sums that end at y wander there like a random walk that is tied at both ends: their squares add
up to n * (y**2 / 3 + e / 6) on average, where e is the sum of the products' own squares. So the whole sum errs by

    ROUNDING * sqrt(n * (y**2 / 3 + e / 6))

and no order of any kernel need be known. Beside one Neon layer, emulated instruction by instruction: 56 summands 1.2e-3 (here
1.1e-3), 896 4.0e-3 (4.4e-3), 7168 1.2e-2 (1.2e-2), 14336 1.7e-2 (1.8e-2).
"""

import copy
import math
import zlib
from collections.abc import Callable

import torch
from torch import Tensor, nn

# The variance of an even rounding is a twelfth of the step's square; the mean of 1 / m**2 over mantissas m is 3/8 over ln 2.
ROUNDING = 2.0**-10 * math.sqrt(3 / 8 / math.log(2) / 12)
# Shifts and factors that spread 64 bits over 64 bits (Steele, Lea and Flood's SplitMix), the factors as signed numbers.
MIXING = ((30, 0xBF58476D1CE4E5B9 - 2**64), (27, 0x94D049BB133111EB - 2**64), (31, 1))


def sums_in_half(part: nn.Module, path: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
    """A forward hook that adds to what a layer of products answers as much noise as half-precision sums would. `path` tells
    layers apart.

    As there, the same sum errs by the same wherever and whenever it is added up, and a sum that is a little larger by something
    else: what a layer is fed twice does not average out, and small changes of it do not cancel.
    """
    squares = _of_squares(part)
    summands = part.weight[0].numel()  # type: ignore[index]

    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        own = squares(inputs[0] * inputs[0]).clamp(min=0)
        spread = ROUNDING * (summands * (output * output / 3 + own / 6)).sqrt()
        drawn: Tensor = output + spread * _normal(output, zlib.crc32(path.encode()))
        return drawn

    return hook


def _normal(sums: Tensor, layer: int) -> Tensor:
    """A standard normal number for each sum, which follows from its half-precision value and the layer."""
    key = sums.half().view(torch.int16).long() + (layer << 16)
    for shift, factor in MIXING:
        key = (key ^ (key >> shift & (1 << 64 - shift) - 1)) * factor
    share = ((key >> 11 & (1 << 53) - 1).double() + 0.5) / 2**53
    drawn: Tensor = torch.special.ndtri(share).to(sums.dtype)
    return drawn


def _of_squares(part: nn.Module) -> nn.Module:
    """The same layer with each weight squared and nothing added: fed squares, it gives the sums of the products' squares."""
    squared = copy.deepcopy(part)
    for hooks in (squared._forward_hooks, squared._forward_pre_hooks):
        hooks.clear()
    squared.weight.data = squared.weight.data.square()  # type: ignore[operator]
    squared.bias = None  # type: ignore[assignment]
    return squared
