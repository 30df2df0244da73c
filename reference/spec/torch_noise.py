"""Noise that torch itself has to draw: its normal transform follows the CPU's vector width.

torch is imported when the first array is asked for, and only here in `reference.spec`.
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from reference.spec.errors import InputError
from reference.spec.sampling.objective import State

ENTROPY_END = 2**63 - 1  # k-diffusion draws the tree's entropy below it
DIGITS = 6  # torchsde rounds times to its tolerance of 1e-6
POOL_SIZE = 24  # of the SeedSequences of torchsde's BrownianTree


def torch_cpu(shape: tuple[int, ...], seed: int) -> Iterator[State]:
    """torch's CPU generator after `torch.manual_seed(seed)`, one `randn` a draw: what stable-audio-tools consumes.

    Raises InputError where torch is not installed.
    """
    torch = _torch("torch")
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield torch.randn(shape, generator=generator).numpy()


def torch_tree(shape: tuple[int, ...], seed: int, sigmas: tuple[float, ...], *, before: int) -> Iterator[State]:
    """What stable-audio-tools consumes on a CPU where the sampler is an SDE: `before` draws like `torch_cpu`'s, then one
    increment of a Brownian tree for each step between `sigmas`, which fall and end with 0.

    The tree's entropy is drawn from the same generator after that, so the start's shape and init audio change it.
    Source: k-diffusion `sampling.py` (`BrownianTreeNoiseSampler`).
    Raises InputError where torch is not installed, and for sigmas that the tree cannot tell apart.
    """
    torch = _torch("torch-tree")
    generator = torch.Generator().manual_seed(seed)
    for _ in range(before):
        yield torch.randn(shape, generator=generator).numpy()
    entropy = int(torch.randint(0, ENTROPY_END, [], generator=generator).item())
    walked = [sigma for sigma in sigmas if sigma]
    tree = BrownianTree(torch, shape, entropy, min(walked), max(walked))
    for now, after in pairwise(walked):
        yield tree.increment(now, after)


class BrownianTree:
    """A Brownian motion W over [start, end], the same whatever is asked and in which order.

    Halves of halves: what W does in one half of an interval is drawn from a seed of the interval's own, given what it does
    in the whole. Times are rounded to `DIGITS`, the root's deviation is not.
    Source: torchsde `brownian_interval.py` (`halfway_tree`); Kidger et al. 2021 for the idea.
    """

    def __init__(self, torch: Any, shape: tuple[int, ...], entropy: int, start: float, end: float) -> None:
        self._torch, self._shape, self._entropy = torch, shape, entropy
        self._start, self._end = round(start, DIGITS), round(end, DIGITS)
        self._whole = self._randn(self._seed(3)) * math.sqrt(end - start)

    def increment(self, now: float, after: float) -> State:
        """-(W(now) - W(after)) / sqrt(now - after), standard normal: k-diffusion turns the sign where time falls. Both times are
        within [start, end]."""
        low, high = round(after, DIGITS), round(now, DIGITS)
        if low == high:
            raise InputError(
                f"noise 'torch-tree' cannot tell sigmas {now} and {after} apart, it rounds to {DIGITS} decimals; ask for fewer "
                "steps or another stream"
            )
        first, *rest = self._pieces(low, high, self._start, self._end, self._whole, key=0, depth=0)
        moved = sum(rest, start=first)  # from left to right: the order decides the last bits
        increment: State = (moved * -1 / self._torch.tensor(np.float32(now) - np.float32(after)).sqrt()).numpy()
        return increment

    def _pieces(
        self, low: float, high: float, start: float, end: float, whole: Any, *, key: int, depth: int
    ) -> Iterator[Any]:
        """What W does from `low` to `high`, interval by interval of the tree; within [start, end], which is the `key`th at
        its depth, it does `whole`."""
        if (low, high) == (start, end):
            yield whole
            return
        middle = round(0.5 * (end + start), DIGITS)
        left = self._left(start, middle, end, whole, self._seed(4, spawn_key=(key, depth)))
        if low < middle:
            yield from self._pieces(low, min(high, middle), start, middle, left, key=2 * key, depth=depth + 1)
        if high > middle:
            right = whole - left
            yield from self._pieces(max(low, middle), high, middle, end, right, key=2 * key + 1, depth=depth + 1)

    def _left(self, start: float, middle: float, end: float, whole: Any, seed: int) -> Any:
        """What it does in the left half: a Brownian bridge."""
        share = 1 / (end - start)
        deviation = math.sqrt((middle - start) * (end - middle) * share)
        return (middle - start) * whole * share + deviation * self._randn(seed)

    def _seed(self, states: int, spawn_key: tuple[int, ...] = ()) -> int:
        sequence = np.random.SeedSequence(self._entropy, spawn_key=spawn_key, pool_size=POOL_SIZE)
        return int(sequence.generate_state(states)[0])

    def _randn(self, seed: int) -> Any:
        generator = self._torch.Generator().manual_seed(seed)
        return self._torch.randn(self._shape, generator=generator)


def _torch(stream: str) -> Any:
    try:
        import torch
    except ImportError:
        raise InputError(
            f"noise '{stream}' needs torch, which is not installed; save a trace with 'python -m reference generate "
            f"--noise {stream} --trace t.npz' where it is, and replay it with --noise t.npz"
        ) from None
    return torch
