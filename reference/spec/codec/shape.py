"""What callers of a codec have to know of it: rates, channels, and how its frames hang together."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class CodecShape:
    """A codec between audio (batch, audio channel, sample) and latents (batch, latent channel, frame).

    `ratio` samples are one frame; `alignment` frames are coded together, so windows start and end between such groups.
    At the edge of a window the outputs of `encode_reach` (`decode_reach`) frames depend on what is beyond it.
    """

    sample_rate_hz: int
    audio_channels: int
    latent_channels: int
    ratio: int
    alignment: int
    encode_reach: int
    decode_reach: int

    def frames(self, samples: int) -> int:
        """Frames that hold so many samples; the last may be partly empty."""
        return -(-samples // self.ratio)

    def aligned(self, frames: int) -> int:
        """So many frames or a few more: whole groups."""
        return -(-frames // self.alignment) * self.alignment

    def least_overlap(self, reach: int) -> int:
        """The overlap that leaves no output of a window without what it depends on: half of it is dropped at each edge."""
        return self.aligned(2 * reach)
