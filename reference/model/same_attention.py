"""SAME's differential attention: what one softmax attends to, less what another does.

Source: stable-audio-tools 0.0.20 `models/transformer.py` (`Attention` with `differential`, `DynamicTanh`); the idea is
that of Ye et al. 2024, without its learned factor; DyT from Zhu et al. 2025.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reference.model.attention import Rotate, merge_heads, split_heads

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]  # queries, keys, values (batch, head, position, channel)


class DyT(nn.Module):
    """gamma * tanh(alpha * x) + beta: what stands in the place of every norm."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1))
        self.gamma = nn.Parameter(torch.ones(dim))
        self.beta = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:
        return self.gamma * torch.tanh(self.alpha * x) + self.beta


class DifferentialAttention(nn.Module):
    """Two sets of queries and keys, one of values, from one projection in the order q, k, v, q2, k2."""

    def __init__(self, dim: int, head_dim: int) -> None:
        super().__init__()
        self.head_dim = head_dim
        self.to_qkv = nn.Linear(dim, 5 * dim, bias=False)
        self.to_out = nn.Linear(dim, dim, bias=False)
        self.q_norm, self.k_norm = DyT(head_dim), DyT(head_dim)

    def forward(self, x: Tensor, turn: Rotate, attend: Attend) -> Tensor:
        q, k, v, q2, k2 = (split_heads(part, self.head_dim) for part in self.to_qkv(x).chunk(5, dim=-1))
        first = attend(turn(self.q_norm(q)), turn(self.k_norm(k)), v)
        second = attend(turn(self.q_norm(q2)), turn(self.k_norm(k2)), v)
        return self.to_out(merge_heads(first - second))  # type: ignore[no-any-return]


class Band:
    """Attention in which position i sees i - left to i + right, in blocks: as many queries as a frame has tokens against the
    keys that any of them sees. Memory and time follow the length, not its square."""

    def __init__(self, group: int, left: int, right: int) -> None:
        """`left` and `right` in frames of `group` tokens."""
        self.group, self.left, self.right = group, left * group, right * group

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """The length must be whole groups."""
        blocks = q.shape[2] // self.group
        queries = torch.unflatten(q, 2, (blocks, self.group)) * q.shape[-1] ** -0.5
        keys, values = self._windows(k), self._windows(v)  # (batch, head, block, channel, key)
        scores = (queries @ keys).masked_fill(~self.seen(blocks, q.device), -torch.inf)
        return (scores.softmax(-1) @ values.transpose(-1, -2)).flatten(2, 3)  # type: ignore[no-any-return]

    def _windows(self, x: Tensor) -> Tensor:
        padded = F.pad(x, (0, 0, self.left, self.right))
        return padded.unfold(2, self.left + self.group + self.right, self.group)

    def seen(self, blocks: int, device: torch.device) -> Tensor:
        """Which keys of its block's window each query sees, (block, query, key)."""
        query = torch.arange(self.group, device=device)[:, None]
        key = torch.arange(-self.left, self.group + self.right, device=device)
        near = (key >= query - self.left) & (key <= query + self.right)
        place = torch.arange(blocks, device=device)[:, None] * self.group + key
        there = (place >= 0) & (place < blocks * self.group)
        return near & there[:, None, :]
