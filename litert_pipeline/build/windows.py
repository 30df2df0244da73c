"""The decoder's last blocks in overlapping windows, so that what they work on stays in a processor's cache.

One window after the other is unrolled in the graph: any runtime decodes such a file, and no app has to know. The windows
overlap by as much as an output sample can see; what lies beyond is thrown away, so the audio is that of the whole decode.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

# The first layers, which have few samples and many channels, run whole: windows there would mostly overlap.
WHOLE_LAYERS = 3
WINDOW_FRAMES = 16  # latent frames a window advances by; 8 and 16 were measured alike, 32 and all 256 slower


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Windows that advance by `advance` samples, overlap by `halo` to either side, and become `ratio` times as long."""

    advance: int
    halo: int
    ratio: int

    def run(self, layers: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """The layers over (batch, 1, sample, channel), one window after the other."""
        pieces = []
        for start, begin, end in self.over(x.shape[2]):
            piece = layers(x[:, :, start : start + self.advance + 2 * self.halo])
            pieces.append(piece[:, :, (begin - start) * self.ratio : (end - start) * self.ratio])
        return torch.cat(pieces, dim=2)

    def over(self, length: int) -> Iterator[tuple[int, int, int]]:
        """(start, begin, end): a window starts at `start`, and of what it gives begin to end are kept; together, all.

        At the ends of the sequence, where the layers pad with zeros, there is nothing to overlap with.
        """
        long = min(self.advance + 2 * self.halo, length)
        begin = 0
        while begin < length:
            start = min(max(begin - self.halo, 0), length - long)
            end = length if start + long == length else start + long - self.halo
            yield start, begin, end
            begin = end
