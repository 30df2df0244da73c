"""SAME's halves with the bottleneck multiplied into the linear layer beside it, as some converters hand them over."""

from torch import Tensor, nn
from torch.nn import functional as F

from litert_pipeline.build.rewrites import replaced
from reference.model.same import SoftNorm
from reference.model.same_halves import Draw, SameEncoder


class Scaled(nn.Module):
    """A linear layer whose weights and bias are computed from one and the bottleneck."""

    def __init__(self, linear: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        assert isinstance(linear, nn.Linear)
        assert isinstance(norm, SoftNorm)
        self.linear: nn.Linear = linear
        self.norm: SoftNorm = norm

    def constants(self) -> tuple[Tensor, Tensor]:
        """Weights and bias."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, *self.constants())


class ScaledLast(Scaled):
    """The encoder's last, with what follows it."""

    def constants(self) -> tuple[Tensor, Tensor]:
        """Rows and bias times the scale of a latent channel."""
        scale, added = self.norm.scaling_factor.flatten(), self.norm.bias.flatten()
        weight = self.linear.weight * (scale / self.norm.running_std)[:, None]
        return weight, (self.linear.bias * scale + added) / self.norm.running_std


class ScaledFirst(Scaled):
    """The decoder's first, with what is before it."""

    def constants(self) -> tuple[Tensor, Tensor]:
        """Weights times the deviation of latents."""
        return self.linear.weight * self.norm.running_std, self.linear.bias


class Unscaled(nn.Module):
    """A bottleneck that is elsewhere."""

    def encode(self, x: Tensor) -> Tensor:
        return x

    def decode(self, latents: Tensor, draw: Draw | None) -> Tensor:
        return latents


def fold_bottleneck(half: nn.Module) -> nn.Module:
    """A copy of a module that has a `bottleneck`, and an `encoder` or a `decoder` of SAME."""
    changed = replaced(half, {})
    encodes = any(isinstance(part, SameEncoder) for part in changed.modules())
    path, kind = ("encoder.layers.2", ScaledLast) if encodes else ("decoder.layers.1", ScaledFirst)
    changed.set_submodule(path, kind(changed.get_submodule(path), changed.get_submodule("bottleneck")))
    changed.set_submodule("bottleneck", Unscaled())
    return changed.eval().requires_grad_(False)
