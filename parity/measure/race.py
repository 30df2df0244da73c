"""Times of several ways to do the same, taken in turns: what a machine does to one it does to all."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

NOISY_SPREAD = 0.15  # interquartile range over median; beyond it a figure says more about the machine than about the code


@dataclass(frozen=True, kw_only=True)
class Times:
    """The durations of some rounds."""

    seconds: tuple[float, ...]

    @property
    def median_s(self) -> float:
        return statistics.median(self.seconds)

    @property
    def iqr_s(self) -> float:
        """The interquartile range; 0 of a single round."""
        if len(self.seconds) < 2:
            return 0.0
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return high - low

    @property
    def noisy(self) -> bool:
        """Whether the rounds differ too much for their median to be a figure."""
        return not self.iqr_s <= NOISY_SPREAD * self.median_s


def race(
    entrants: Mapping[str, Callable[[int], object]],
    rounds: int,
    warmup: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Times]:
    """Call every entrant with the number of the round, `rounds` times after `warmup`, one after the other.

    Who starts changes from round to round, so that nobody always follows the same neighbour.
    """
    names = list(entrants)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(-warmup, rounds):
        first = number % len(names) if names else 0
        for name in names[first:] + names[:first]:
            start = clock()
            entrants[name](max(number, 0))
            if number >= 0:
                seconds[name].append(clock() - start)
    return {name: Times(seconds=tuple(found)) for name, found in seconds.items()}
