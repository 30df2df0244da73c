"""Layer norms that half precision can compute whatever they are fed."""

import torch
from torch import Tensor, nn

from litert_pipeline.build.rewrites import replaced
from reference.model.dit import LAYER_NORM_EPS, LayerNorm

MOST_IN_HALF = 255.0  # whose square half precision still has


class ScaledNorm(nn.Module):
    """A layer norm of rows that are first divided by a size of their own: the same function.

    Half precision has no square of what passes 255, and trained transformers hold larger values; below 6.1e-5 CPUs that flush
    make 0 of a number, as of an eps of 1e-6, and then divide by it where a row is 0, as the keys of padding are. Here no
    square passes 65504, whatever the row, as long as its mean size is below 16384 over `spread`; and eps counts by its root.
    Of x, from which its mean was taken:

        size = max(spread * mean |x|, root)        y = x / size        norm(x) = y / sqrt(mean y**2 + (root / size)**2)
    """

    def __init__(self, norm: nn.Module, names: tuple[str, str], eps: float) -> None:
        """`norm` keeps gain and shift under these `names`, and so does this."""
        super().__init__()
        for name in names:
            tensor = getattr(norm, name)
            self.register_parameter(name, tensor) if isinstance(tensor, nn.Parameter) else self.register_buffer(name, tensor)
        self.names, self.root, self.spread = names, eps**0.5, _spread(getattr(norm, names[0]).shape[-1])

    def forward(self, x: Tensor) -> Tensor:
        x = x - x.mean(-1, keepdim=True)
        size = x.abs().mean(-1, keepdim=True)
        shrink = 1 / (size if self.spread == 1 else size * self.spread).clamp_min(self.root)
        y = x * shrink
        # A square and its mean are one operator to XNNPACK, which it has in float alone: it would leave half for the whole file.
        mean_square = 2 * (y * (0.5 * y)).mean(-1, keepdim=True)
        gain, shift = (getattr(self, name) for name in self.names)
        normed: Tensor = y * torch.rsqrt(mean_square + (self.root * shrink).square()) * gain + shift
        return normed


def _spread(values: int) -> float:
    """How many mean sizes a row is divided by, a power of two, so that its largest value stays below 255: where all but the mean
    is in one value, that is half as many times the mean size as there are values."""
    spread = 1.0
    while values / 2 / spread > MOST_IN_HALF:
        spread *= 2
    return spread


def scaled_norms(dit: nn.Module) -> nn.Module:
    """A transformer whose layer norms half precision can compute. T5's, which take no mean away, LiteRT computes in float."""
    return replaced(
        dit,
        {
            nn.LayerNorm: lambda norm: ScaledNorm(norm, ("weight", "bias"), norm.eps),
            LayerNorm: lambda norm: ScaledNorm(norm, ("gamma", "beta"), LAYER_NORM_EPS),
        },
    )
