"""What adding up in half precision loses, drawn: a yardstick for the FP16 of Neon and AVX-512, which add product after product.

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
from functools import cache

import torch
from torch import Tensor, nn

# The variance of an even rounding is a twelfth of the step's square; the mean of 1 / m**2 over mantissas m is 3/8 over ln 2.
ROUNDING = 2.0**-10 * math.sqrt(3 / 8 / math.log(2) / 12)
PLACES = 2**14  # whose values are added up to a key together: as 64-bit numbers they take much room
NORMAL = 2**20  # so few places share what they err by that it averages out to a thousandth


def sums_in_half(part: nn.Module, path: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
    """A forward hook that adds to what a layer of products answers as much noise as half-precision sums would.

    `path` tells layers apart.
    """
    squares = _of_squares(part)
    summands = part.weight[0].numel()  # type: ignore[index]
    channels = 1 if isinstance(part, nn.Conv1d) else -1

    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        own = squares(inputs[0] * inputs[0]).clamp(min=0)
        spread = ROUNDING * (summands * (output * output / 3 + own / 6)).sqrt()
        noisy: Tensor = output + spread * _drawn(output.movedim(channels, -1), path).movedim(-1, channels)
        return noisy

    return hook


def _drawn(answers: Tensor, path: str) -> Tensor:
    """Normal numbers (..., channel) that follow from what a layer answers at a place: fed the same it rounds alike, wherever and
    whenever that is, and otherwise it does not. So what repeats in a sound, or in every call, errs the same way each time."""
    bits = answers.half().view(torch.int16).reshape(-1, answers.shape[-1])
    keys = torch.randint(1, 2**62, bits.shape[1:], generator=torch.Generator().manual_seed(zlib.crc32(path.encode())))
    rows = _normal().unfold(0, len(keys), 1)
    which = torch.cat([(part.long() * keys).sum(-1) % len(rows) for part in torch.split(bits, PLACES)])
    return rows[which].reshape(answers.shape).to(answers.dtype)


@cache
def _normal() -> Tensor:
    """Numbers of which each place takes a row."""
    return torch.randn(NORMAL, generator=torch.Generator().manual_seed(0))


def _of_squares(part: nn.Module) -> nn.Module:
    """The same layer with each weight squared and nothing added: fed squares, it gives the sums of the products' squares."""
    squared = copy.deepcopy(part)
    for hooks in (squared._forward_hooks, squared._forward_pre_hooks):
        hooks.clear()
    squared.weight.data = squared.weight.data.square()  # type: ignore[operator]
    squared.bias = None  # type: ignore[assignment]
    return squared
