"""Ways in which somebody's port of SAME goes wrong, each a change of the module that is converted.

They are what the facts about the codec warn of: the order of projections, of tokens, of patches; what is padded, and where; what
the bottleneck does in which direction; what happens where a sound ends inside a window.
"""

from collections.abc import Callable
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

from litert_pipeline.build.same import FixedDecoder, FixedEncoder, cut, neighbours, through_blocks, whole_groups
from parity.faults.bench import Edit
from parity.faults.edits import at, override, overriding
from reference.model.same import SoftNorm
from reference.model.same_attention import Attend, DifferentialAttention, DyT
from reference.model.same_blocks import Gated, chunk_by_chunk, sine
from reference.model.same_halves import Gather, Resampling, Spread
from reference.spec.codec.same import ChunkedSpec

GATHER, SPREAD = "encoder.layers.0", "decoder.layers.3"
SLIGHT = 1.01


def method(path: str, name: str, function: Callable[..., Any]) -> Edit:
    """Another method of the part at `path`."""
    return at(path, lambda part: setattr(part, name, MethodType(function, part)))


def _attended(self: DifferentialAttention, parts: Any, turn: Any, turn_keys: Any, attend: Attend) -> tuple[Tensor, Tensor]:
    q, k, v, q2, k2 = (torch.unflatten(part, -1, (-1, self.head_dim)).transpose(1, 2) for part in parts)
    first = attend(turn(self.q_norm(q)), turn_keys(self.k_norm(k)), v)
    return first, attend(turn(self.q_norm(q2)), turn_keys(self.k_norm(k2)), v)


def _out(self: DifferentialAttention, heads: Tensor) -> Tensor:
    return self.to_out(heads.transpose(1, 2).flatten(-2))  # type: ignore[no-any-return]


def other_order(self: DifferentialAttention, x: Tensor, turn: Any, attend: Attend) -> Tensor:
    q, q2, k, k2, v = self.to_qkv(x).chunk(5, dim=-1)
    first, second = _attended(self, (q, k, v, q2, k2), turn, turn, attend)
    return _out(self, first - second)


def second_less_first(self: DifferentialAttention, x: Tensor, turn: Any, attend: Attend) -> Tensor:
    first, second = _attended(self, self.to_qkv(x).chunk(5, dim=-1), turn, turn, attend)
    return _out(self, second - first)


def one_softmax(self: DifferentialAttention, x: Tensor, turn: Any, attend: Attend) -> Tensor:
    return _out(self, _attended(self, self.to_qkv(x).chunk(5, dim=-1), turn, turn, attend)[0])


def keys_not_turned(self: DifferentialAttention, x: Tensor, turn: Any, attend: Attend) -> Tensor:
    first, second = _attended(self, self.to_qkv(x).chunk(5, dim=-1), turn, lambda k: k, attend)
    return _out(self, first - second)


def learned_first(self: Resampling, x: Tensor, draw: Any) -> Tensor:
    own = torch.unflatten(x, 1, (-1, self.spec.group - self.new))
    learned = self.new_tokens[None].expand(*own.shape[:2], self.new, -1)
    return torch.cat([learned, own], dim=2)


def beta_inside(self: DyT, x: Tensor) -> Tensor:
    return self.gamma * torch.tanh(self.alpha * x + self.beta)


def gate_first(self: Gated, x: Tensor) -> Tensor:
    gate, value = self.proj(x).chunk(2, dim=-1)
    return value * self.activation(gate)  # type: ignore[no-any-return]


def edges_repeated(x: Tensor, taps: int) -> Tensor:
    padded, length = torch.cat([x[:, :1], x, x[:, -1:]], dim=1), x.shape[1]
    return torch.cat([padded[:, tap : tap + length] for tap in range(taps)], dim=-1)


def times_the_deviation(self: SoftNorm, x: Tensor) -> Tensor:
    return (x * self.scaling_factor + self.bias) * self.running_std


def over_the_deviation(self: SoftNorm, latents: Tensor, draw: Any) -> Tensor:
    return latents / self.running_std


def scaling_undone(self: SoftNorm, latents: Tensor, draw: Any) -> Tensor:
    return (latents * self.running_std - self.bias) / self.scaling_factor


def _encoded(self: FixedEncoder, audio: Tensor, whole: Tensor, **wrong: Any) -> dict[str, Tensor]:
    """The encoder's forward, with one step of it in another way."""
    gather, linear, size = self.encoder.layers[0], self.encoder.layers[2], self.spec.patch_size
    assert isinstance(gather, Gather), "the part that gathers"
    patches = torch.unflatten(audio, 2, (-1, size))  # (1, audio channel, patch, sample)
    order = (0, 3, 1, 2) if wrong.get("samples_first") else (0, 1, 3, 2)
    channels = patches.permute(order).reshape(1, self.spec.patch_channels, -1)
    tokens = gather.mapping(neighbours(channels.transpose(1, 2), gather.spec.mapping_taps))
    tokens = wrong.get("mapped", lambda tokens: tokens)(tokens)
    through = wrong.get("through", through_blocks)
    frames = linear(through(gather, gather.groups(tokens, None), whole)[:, :, -1]).transpose(1, 2)
    return {"latents": self.bottleneck.encode(frames) * whole[:, None]}


def silence_after_mapping(self: FixedEncoder, audio: Tensor, present: Tensor) -> dict[str, Tensor]:
    whole = whole_groups(present, self.spec.encoder.alignment)
    there = present.repeat_interleave(self.spec.encoder.stride, dim=1)[..., None]
    return _encoded(self, cut(audio, present), whole, mapped=lambda tokens: tokens * there)


def end_of_the_window_for_the_end_of_the_sound(self: FixedEncoder, audio: Tensor, present: Tensor) -> dict[str, Tensor]:
    answer = _encoded(self, cut(audio, present), torch.ones_like(present))
    return {"latents": answer["latents"] * whole_groups(present, self.spec.encoder.alignment)[:, None]}


def _decoded(self: FixedDecoder, latents: Tensor, present: Tensor, **wrong: Any) -> dict[str, Tensor]:
    """The decoder's forward, with one step of it in another way."""
    linear, spread, size = self.decoder.layers[1], self.decoder.layers[3], self.spec.patch_size
    assert isinstance(spread, Spread), "the part that spreads"
    whole = whole_groups(present, self.spec.decoder.alignment)
    scaled = self.bottleneck.decode(latents * present[:, None], None)
    frames = linear(scaled.transpose(1, 2)) * (1 if wrong.get("zeros_before") else present[..., None])
    end = torch.ones_like(whole) if wrong.get("end_ignored") else whole
    through = wrong.get("through", through_blocks)
    learned = through(spread, spread.groups(frames, None), end)[:, :, -spread.new :] * end[..., None, None]
    beside = wrong.get("neighbours", neighbours)
    patches = spread.mapping(beside(learned.flatten(1, 2), spread.spec.mapping_taps)).transpose(1, 2)
    if wrong.get("samples_first"):
        audio = torch.unflatten(patches, 1, (size, -1)).permute(0, 2, 3, 1).flatten(2)
    else:
        audio = torch.unflatten(patches, 1, (-1, size)).transpose(2, 3).flatten(2)
    return {"audio": cut(audio, whole)}


def encoding(**wrong: Any) -> Edit:
    """An encoder of which one step is wrong."""

    def forward(self: FixedEncoder, audio: Tensor, present: Tensor) -> dict[str, Tensor]:
        return _encoded(self, cut(audio, present), whole_groups(present, self.spec.encoder.alignment), **wrong)

    return whole_module(forward)


def decoding(**wrong: Any) -> Edit:
    """A decoder of which one step is wrong."""

    def forward(self: FixedDecoder, latents: Tensor, present: Tensor) -> dict[str, Tensor]:
        return _decoded(self, latents, present, **wrong)

    return whole_module(forward)


def whole_module(forward: Callable[..., Any]) -> Edit:
    """Another `forward` of the stage as a whole."""

    def edit(module: nn.Module) -> nn.Module:
        override(module, forward)
        return module

    return edit


def with_a_sine(path: str) -> Edit:
    """One block more with a sine for its activation."""
    return at(path, lambda part: setattr(part, "activation", sine))


def slightly_louder(path: str, row: int) -> Edit:
    """One row of a matrix one per cent off."""
    return at(path, lambda part: part.weight.data[row].mul_(SLIGHT))


def attended(forward: Callable[..., Any]) -> Edit:
    """Every attention of the stage in another way."""
    return overriding(DifferentialAttention, forward)


def bottleneck(name: str, function: Callable[..., Any]) -> Edit:
    """The bottleneck in another way, in one direction."""
    return method("bottleneck", name, function)


def _whole_chunks(part: Resampling) -> int:
    assert isinstance(part.spec.attention, ChunkedSpec), "only chunks are shifted"
    return part.spec.attention.frames * part.spec.group


def unshifted(part: Resampling, groups: Tensor, whole: Tensor) -> Tensor:
    """All blocks over the same chunks."""
    done = chunk_by_chunk(part.transformers, groups.flatten(1, 2), _whole_chunks(part))
    return torch.unflatten(done, 1, groups.shape[1:3])


def copied_too_early(part: Resampling, groups: Tensor, whole: Tensor) -> Tensor:
    """At both ends half a chunk repeated of what goes into the blocks, not of what the first half of them makes."""
    blocks, x, tokens = part.transformers, groups.flatten(1, 2), _whole_chunks(part)
    split, shift = len(blocks) // 2, tokens // 2
    done = torch.cat([x[:, :shift], chunk_by_chunk(blocks[:split], x, tokens), x[:, -shift:]], dim=1)
    return torch.unflatten(chunk_by_chunk(blocks[split:], done, tokens)[:, shift:-shift], 1, groups.shape[1:3])


def shifted_a_token_less(part: Resampling, groups: Tensor, whole: Tensor) -> Tensor:
    """The second half of the blocks over chunks that begin one token too early."""
    blocks, x, tokens = part.transformers, groups.flatten(1, 2), _whole_chunks(part)
    split, shift = len(blocks) // 2, tokens // 2
    x = chunk_by_chunk(blocks[:split], x, tokens)
    x = torch.cat([x[:, : shift - 1], x, x[:, -shift - 1 :]], dim=1)
    done = chunk_by_chunk(blocks[split:], x, tokens)
    return torch.unflatten(done[:, shift - 1 : -shift - 1], 1, groups.shape[1:3])
