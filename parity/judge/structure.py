"""Answers of the reference that holds a file's own weights, each computed once."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

import numpy as np

from parity.bundles.rebuilt import Rebuilt
from parity.measure.metrics import relative_l2
from reference.spec.tensors import Array, Tensors

GROWN = 1.05  # gains, for a direction: small enough to be one, and float32 is far below it


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What the rebuilt reference answers, how much of that the rounding of what layers are fed has moved, and which way answers
    go where all norms' gains grow; that is empty where nothing is rounded, and where there are no norms."""

    answers: Tensors
    moved: Mapping[str, float]
    leaning: Tensors = field(default_factory=dict)


@dataclass
class Structure:
    """Answers of rebuilt stages."""

    _found: dict[Hashable, Beside] = field(default_factory=dict)

    def beside(self, key: Hashable, stage: Rebuilt, feed: Mapping[str, Array]) -> Beside:
        """What the stage answers to a feed; `key` names both."""
        if key not in self._found:
            self._found[key] = _answered(stage, feed)
        return self._found[key]


def _answered(stage: Rebuilt, feed: Mapping[str, Array]) -> Beside:
    answers = stage(feed)
    if not stage.rounds:
        return Beside(answers=answers, moved=dict.fromkeys(answers, 0.0))
    plain, grown = stage(feed, rounds=False), stage(feed, rounds=False, grown=GROWN)
    return Beside(
        answers=answers,
        moved={name: relative_l2(plain[name], array) for name, array in answers.items()},
        leaning=_apart(grown, plain),
    )


def _apart(grown: Tensors, plain: Tensors) -> Tensors:
    apart = {name: grown[name].astype(np.float64) - array for name, array in plain.items()}
    return {name: way for name, way in apart.items() if way.any()}
