"""The swap matrix: every mix of the truth's stages and a variant's, to say which stage an end-to-end error comes from.

A stage's share is its Shapley value: what swapping it in adds to the error, averaged over all orders in which the three
stages can be swapped in. The shares sum to the error of the whole variant. Source: Shapley 1953, "A value for n-person
games".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import factorial

from reference.spec.stages import GENERATION

Swapped = frozenset[str]  # the stages that are the variant's; the others are the truth's


@dataclass(frozen=True, kw_only=True)
class SwapMatrix:
    """Distance of the audio from the truth's for every set of swapped stages, log-mel in dB."""

    variant: str
    case: str
    distance_db: Mapping[Swapped, float]

    @property
    def share_db(self) -> dict[str, float]:
        """What each stage contributes to the distance of the whole variant."""
        return {stage: self._shapley(stage) for stage in GENERATION}

    def _shapley(self, stage: str) -> float:
        total = 0.0
        for swapped, distance in self.distance_db.items():
            if stage in swapped:
                others = len(swapped) - 1
                weight = factorial(others) * factorial(len(GENERATION) - 1 - others) / factorial(len(GENERATION))
                total += weight * (distance - self.distance_db[swapped - {stage}])
        return total
