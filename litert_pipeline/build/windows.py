"""The decoder's last blocks in overlapping windows, so that what they work on stays in a processor's cache.

One window after the other is unrolled in the graph: any runtime decodes such a file, and no app has to know. The windows
overlap by as much as an output sample can see; what lies beyond is thrown away, so the audio is that of the whole decode.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from litert_pipeline.build.channels_last import ChannelsLast, LastConv, LastUpConv
from reference.model.decoder import Decoder

# The first layers, the fewer samples for the more channels, run whole: windows there would overlap by most of their length.
WHOLE_LAYERS = 3
WINDOW_FRAMES = 8  # latent frames a window advances by: 8 MB of float32 in the last block, measured best of 4, 8, 16, 32


class Windowed(ChannelsLast):
    """Layers over (batch, channel, sample); those from `WHOLE_LAYERS` on run once for every window of `window` samples."""

    def __init__(self, layers: ChannelsLast, window: int) -> None:
        super().__init__(*layers)
        tail = nn.Sequential(*list(layers)[WHOLE_LAYERS:])
        self.window, self.halo, self.ratio = window, reach(tail), upsampling(tail)

    def forward(self, x: Tensor) -> Tensor:
        layers = list(self)
        x = x.transpose(1, 2)[:, None]
        for layer in layers[:WHOLE_LAYERS]:
            x = layer(x)
        pieces = []
        for start, begin, end in windows(x.shape[2], self.window, self.halo):
            piece = x[:, :, start : start + self.window + 2 * self.halo]
            for layer in layers[WHOLE_LAYERS:]:
                piece = layer(piece)
            pieces.append(piece[:, :, (begin - start) * self.ratio : (end - start) * self.ratio])
        return torch.cat(pieces, dim=2)[:, 0].transpose(1, 2)


def windows(length: int, window: int, halo: int) -> Iterator[tuple[int, int, int]]:
    """(start, begin, end): a window starts at `start`, and of what it gives begin to end are kept; together they are all.

    All are `window` + 2 `halo` long, or `length` where that is less. At the ends there is nothing to overlap with: the
    first window begins, and the last ends, where the sequence does.
    """
    long = min(window + 2 * halo, length)
    begin = 0
    while begin < length:
        start = min(max(begin - halo, 0), length - long)
        end = length if start + long == length else start + long - halo
        yield start, begin, end
        begin = end


def reach(layers: nn.Module) -> int:
    """How many input samples to either side an output sample of the layers can see."""
    samples = 0
    for part in reversed(list(layers.modules())):
        if isinstance(part, LastConv):
            samples += part.dilation * (part.weight.shape[3] - 1) // 2
        elif isinstance(part, LastUpConv):
            samples = (samples + 2 * part.stride - 1 - part.padding) // part.stride
    return samples


def upsampling(layers: nn.Module) -> int:
    """How many output samples the layers make of one."""
    ratio = 1
    for part in layers.modules():
        ratio *= part.stride if isinstance(part, LastUpConv) else 1
    return ratio


def windowed(decoder: nn.Module) -> nn.Module:
    """A decoder with channels last (`channels_last`), its last layers in windows. The decoder is changed."""
    assert isinstance(decoder, Decoder)
    assert isinstance(decoder.layers, ChannelsLast)
    front = nn.Sequential(*list(decoder.layers)[:WHOLE_LAYERS])
    decoder.layers = Windowed(decoder.layers, WINDOW_FRAMES * upsampling(front))
    return decoder
