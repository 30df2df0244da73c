"""Answers of the reference that holds a file's own weights, each computed once."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from parity.bundles.rebuilt import Rebuilt
from parity.measure.metrics import relative_l2
from reference.spec.tensors import Array, Tensors


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What the rebuilt reference answers, and how much of that the rounding of what layers are fed has moved."""

    answers: Tensors
    moved: Mapping[str, float]


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
    plain = stage(feed, rounds=False)
    return Beside(answers=answers, moved={name: relative_l2(plain[name], array) for name, array in answers.items()})
