"""The halves of SAME over one window: what a converted file computes, by the reference itself.

`present` says which of a window's frames there are: the first of them. What is beyond is not coded, and answered with zeros.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from reference.model.same import Same, from_patches, to_patches


def count_present(present: Tensor) -> int:
    """Frames that there are."""
    return int(present.sum())


def continued(x: Tensor, length: int) -> Tensor:
    """Zeros behind the end."""
    return F.pad(x, (0, length - x.shape[-1]))


class EncoderWindow(nn.Module):
    """(1, audio channel, sample) to (1, latent channel, frame), and zeros behind the last whole group of frames."""

    def __init__(self, same: Same) -> None:
        super().__init__()
        self.spec, self.bottleneck, self.encoder = same.spec, same.bottleneck, same.encoder

    def forward(self, audio: Tensor, present: Tensor) -> dict[str, Tensor]:
        samples = count_present(present) * self.spec.shape.ratio
        patches = to_patches(audio[..., :samples], self.spec.patch_size)
        return {"latents": continued(self.bottleneck.encode(self.encoder(patches)), present.shape[-1])}


class DecoderWindow(nn.Module):
    """(1, latent channel, frame) to (1, audio channel, sample), and zeros behind the last whole group of frames."""

    def __init__(self, same: Same) -> None:
        super().__init__()
        self.spec, self.bottleneck, self.decoder = same.spec, same.bottleneck, same.decoder

    def forward(self, latents: Tensor, present: Tensor) -> dict[str, Tensor]:
        there = latents[..., : count_present(present)]
        audio = from_patches(self.decoder(self.bottleneck.decode(there, None)), self.spec.audio_channels)
        return {"audio": continued(audio, present.shape[-1] * self.spec.shape.ratio)}


def windows_of(same: Same) -> tuple[nn.Module, nn.Module]:
    """Encoder and decoder."""
    return EncoderWindow(same), DecoderWindow(same)
