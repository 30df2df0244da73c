"""SAME's halves over a window, as LiteRT takes them: fixed shapes, dense layers, constant tables, no string of padding.

What depends on how many frames of the window there are is multiplied by zeros and ones, so that any length is coded exactly:
where the sound ends inside a window, its end is repeated there and not at the window's.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from litert_pipeline.build.rewrites import FrozenRope, PlainConv, replaced
from reference.model.attention import RotaryEmbedding
from reference.model.oobleck import Conv
from reference.model.same import from_patches, to_patches
from reference.model.same_attention import Band
from reference.model.same_blocks import chunk_by_chunk, in_turn
from reference.model.same_halves import Gather, Resampling, SameDecoder, SameEncoder, Spread
from reference.model.same_window import DecoderWindow, EncoderWindow
from reference.spec.codec.same import BandSpec, ChunkedSpec

UNSEEN = -3e4  # added to a score: its exponential is zero, and float16 holds twice as much


def dense(conv: Conv) -> nn.Linear:
    """A convolution over patches as a dense layer over what `neighbours` puts beside each other."""
    plain = PlainConv(conv)
    c_out, c_in, taps = plain.weight.shape
    with torch.device("meta"):
        layer = nn.Linear(taps * c_in, c_out)
    assert plain.bias is not None, "a mapping has one"
    layer.load_state_dict({"weight": plain.weight.permute(0, 2, 1).flatten(1), "bias": plain.bias}, assign=True)
    return layer


def neighbours(x: Tensor, taps: int) -> Tensor:
    """(1, patch, channel): each patch with those before and behind it, as many as a kernel of so many taps sees; zeros beyond."""
    if taps == 1:
        return x
    padded, length = F.pad(x, (0, 0, taps // 2, taps // 2)), x.shape[1]
    return torch.cat([padded[:, tap : tap + length] for tap in range(taps)], dim=-1)


class FixedBand:
    """`Band` for one length, of which `whole` (1, frame) says what there is."""

    def __init__(self, band: BandSpec, group: int, whole: Tensor) -> None:
        self.group, self.frames, self.beside = group, whole.shape[1], (band.left, band.right)
        seen = Band(group, band.left, band.right).seen(self.frames, torch.device("cpu"))
        unseen = torch.zeros(seen.shape).masked_fill(~seen, UNSEEN)  # (frame, query, key)
        there = whole.reshape(1, self.frames, 1, 1).expand(-1, -1, group, -1)
        self.added = unseen.to(whole.dtype) + UNSEEN * (1.0 - self._windows(there).reshape(self.frames, 1, -1))

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        queries, keys, values = (torch.unflatten(part[0], 1, (self.frames, self.group)) for part in (q, k, v))
        scores = (queries * q.shape[-1] ** -0.5) @ self._windows(keys).transpose(-1, -2) + self.added
        return (scores.softmax(-1) @ self._windows(values)).flatten(1, 2)[None]  # type: ignore[no-any-return]

    def _windows(self, x: Tensor) -> Tensor:
        """(head, frame, token, channel), each frame's tokens with those of its neighbours; zeros beyond the ends."""
        padded = F.pad(x, (0, 0, 0, 0, *self.beside))
        return torch.cat([padded[:, first : first + self.frames] for first in range(sum(self.beside) + 1)], dim=2)


def whole_groups(present: Tensor, frames: int) -> Tensor:
    """(1, frame): ones as far as groups of so many frames go of which the first is there."""
    first = present.reshape(1, -1, frames)[..., :1]
    return torch.cat([first] * frames, dim=-1).reshape(present.shape)


def through_blocks(part: Resampling, groups: Tensor, whole: Tensor) -> Tensor:
    """(1, frame, token, dim) through all blocks of a half."""
    x, attention = groups.flatten(1, 2), part.spec.attention
    if isinstance(attention, BandSpec):
        done = in_turn(part.transformers, x, FixedBand(attention, part.spec.group, whole))
    else:
        done = _in_chunks(part.transformers, x, part.spec.group, attention, whole)
    return torch.unflatten(done, 1, groups.shape[1:3])


def _in_chunks(blocks: nn.ModuleList, x: Tensor, group: int, chunks: ChunkedSpec, whole: Tensor) -> Tensor:
    tokens = chunks.frames * group
    if not chunks.shifted:
        return chunk_by_chunk(blocks, x, tokens)
    split, shift = len(blocks) // 2, tokens // 2
    x = _end_repeated(chunk_by_chunk(blocks[:split], x, tokens), whole, chunks.frames // 2)
    x = torch.cat([x[:, :shift], x, x[:, -shift:]], dim=1)
    return chunk_by_chunk(blocks[split:], x, tokens)[:, shift:-shift]


def _end_repeated(x: Tensor, whole: Tensor, frames: int) -> Tensor:
    """(1, token, dim): half a chunk, of so many frames, behind the end is what is before it; nothing if the window is full."""
    halves = torch.unflatten(x, 1, (whole.shape[1] // frames, -1))
    there = whole.reshape(1, -1, frames)[..., :1, None]
    end = there[:, :-1] - there[:, 1:]
    rest = end * halves[:, :-1] + (1.0 - end) * halves[:, 1:]
    return torch.cat([halves[:, :1], rest], dim=1).flatten(1, 2)


def _own(tensor: nn.Parameter) -> nn.Parameter:
    """A copy: this one may run while the reference, inside the very part that holds the tensor, computes in float64."""
    return nn.Parameter(tensor.detach().clone(), requires_grad=False)


class FixedGather(Gather):
    """`Gather` over a window, of which `whole` says what there is."""

    def __init__(self, gather: Gather) -> None:
        nn.Module.__init__(self)
        self.spec, self.new, self.new_tokens = gather.spec, gather.new, _own(gather.new_tokens)
        self.mapping, self.transformers = gather.mapping, gather.transformers

    def forward(self, patches: Tensor, whole: Tensor) -> Tensor:  # type: ignore[override]
        groups = self.groups(self.mapping(neighbours(patches.transpose(1, 2), self.spec.mapping_taps)), None)
        return through_blocks(self, groups, whole)[:, :, -1]


class FixedSpread(Spread):
    """`Spread` over a window, of which `whole` says what there is."""

    def __init__(self, spread: Spread) -> None:
        nn.Module.__init__(self)
        self.spec, self.new, self.new_tokens = spread.spec, spread.new, _own(spread.new_tokens)
        self.mapping, self.transformers = spread.mapping, spread.transformers

    def forward(self, frames: Tensor, whole: Tensor) -> Tensor:  # type: ignore[override]
        learned = through_blocks(self, self.groups(frames, None), whole)[:, :, -self.new :] * whole[..., None, None]
        return self.mapping(neighbours(learned.flatten(1, 2), self.spec.mapping_taps)).transpose(1, 2)  # type: ignore[no-any-return]


class FixedSameEncoder(SameEncoder):
    """`SameEncoder` over a window."""

    def __init__(self, encoder: SameEncoder) -> None:
        nn.Module.__init__(self)
        self.layers = encoder.layers

    def forward(self, patches: Tensor, whole: Tensor) -> Tensor:  # type: ignore[override]
        return self.layers[2](self.layers[0](patches, whole)).transpose(1, 2)  # type: ignore[no-any-return]


class FixedSameDecoder(SameDecoder):
    """`SameDecoder` over a window; a frame that is not there is zeros behind the first layer."""

    def __init__(self, decoder: SameDecoder) -> None:
        nn.Module.__init__(self)
        self.layers = decoder.layers

    def forward(self, latents: Tensor, present: Tensor, whole: Tensor) -> Tensor:  # type: ignore[override]
        frames = self.layers[1](latents.transpose(1, 2)) * present[..., None]
        return self.layers[3](frames, whole)  # type: ignore[no-any-return]


class FixedEncoder(nn.Module):
    """`EncoderWindow`, every frame of the window computed."""

    def __init__(self, window: EncoderWindow) -> None:
        super().__init__()
        self.spec, self.bottleneck, self.encoder = window.spec, window.bottleneck, window.encoder

    def forward(self, audio: Tensor, present: Tensor) -> dict[str, Tensor]:
        whole = whole_groups(present, self.spec.encoder.alignment)
        patches = to_patches(cut(audio, present), self.spec.patch_size)
        return {"latents": self.bottleneck.encode(self.encoder(patches, whole)) * whole[:, None]}


class FixedDecoder(nn.Module):
    """`DecoderWindow`, every frame of the window computed."""

    def __init__(self, window: DecoderWindow) -> None:
        super().__init__()
        self.spec, self.bottleneck, self.decoder = window.spec, window.bottleneck, window.decoder

    def forward(self, latents: Tensor, present: Tensor) -> dict[str, Tensor]:
        whole = whole_groups(present, self.spec.decoder.alignment)
        scaled = self.bottleneck.decode(latents * present[:, None], None)
        patches = self.decoder(scaled, present, whole)
        return {"audio": cut(from_patches(patches, self.spec.audio_channels), whole)}


def cut(audio: Tensor, there: Tensor) -> Tensor:
    """(1, audio channel, sample) with silence in the frames that are not there."""
    return (torch.unflatten(audio, 2, (there.shape[1], -1)) * there[:, None, :, None]).flatten(2)


def fixed_window(module: nn.Module, frames: int) -> nn.Module:
    """A half of SAME over windows of `frames`, as it is converted; paths of its parts stay as they are."""
    assert isinstance(module, (EncoderWindow, DecoderWindow))
    encodes = isinstance(module, EncoderWindow)
    half = module.spec.encoder if encodes else module.spec.decoder
    positions = half.group * (half.attention.frames if isinstance(half.attention, ChunkedSpec) else frames)
    parts = {SameEncoder: FixedSameEncoder, SameDecoder: FixedSameDecoder, Gather: FixedGather, Spread: FixedSpread}
    changed = replaced(module, {**parts, Conv: dense, RotaryEmbedding: lambda rope: FrozenRope(rope, positions)})
    fixed = FixedEncoder(changed) if isinstance(changed, EncoderWindow) else FixedDecoder(changed)  # type: ignore[arg-type]
    return fixed.eval().requires_grad_(False)
