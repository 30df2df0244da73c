"""Which small changes a stage is asked: at every place of a small model, and as small as its arithmetic can answer."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pytest

from parity.judge import responses
from parity.judge.judge import Judge
from parity.judge.responses import _lost_in_half
from parity.measure.nudges import Nudge
from parity.measure.sweep import Sweep
from parity.test_parity import case_called
from reference.spec.model import ModelSpec
from reference.spec.stages import DIT, ENCODER, StageRow
from reference.spec.tensors import Array, Tensors

PLACES = 3


@pytest.mark.parametrize(("computed", "lost", "told"), [
    ("litert_fp16", True, 0), ("litert_fp16", False, PLACES), ("litert_int8", True, PLACES),
], ids=["lost in half", "not lost in half", "computed in float"])  # fmt: skip
def test_what_is_lost_in_half_may_go_unanswered(
    judge: Judge, monkeypatch: pytest.MonkeyPatch, computed: str, lost: bool, told: int
) -> None:
    monkeypatch.setattr(responses, "_same", lambda answer, other: True)
    monkeypatch.setattr(responses, "_lost_in_half", lambda *asked: lost)
    monkeypatch.setattr(responses, "nudges", lambda row, feed, spec, *, half: [Nudge(port="t", feed=feed)])
    sweep = Sweep(draws=PLACES, seed=0)
    (check,) = responses.response_checks(judge, DIT, computed, judge.drawn(DIT, case_called(judge, "drums"), sweep))
    assert check.value == told


@dataclass
class Echo:
    """A reference that answers with what it is fed."""

    @property
    def stage_model(self) -> "Echo":
        return self

    def stage(self, name: str) -> Callable[[Tensors], Tensors]:
        return dict


@pytest.mark.parametrize(("change", "lost"), [(4 * 2.0**-11, True), (16 * 2.0**-11, False)])
def test_what_half_numbers_cannot_hold_is_lost(change: float, lost: bool) -> None:
    value, other = np.full(3, 0.75, np.float32), np.array([0.75, 0.75, 0.75 + change], np.float32)
    assert _lost_in_half(Echo(), ENCODER, {"init_latents": value}, {"init_latents": other}) == lost  # type: ignore[arg-type]


@pytest.mark.parametrize(("computed", "half"), [("litert_int8", False), ("litert_fp16", True)])
def test_every_place_is_asked_by_the_steps_of_its_arithmetic(
    judge: Judge, monkeypatch: pytest.MonkeyPatch, computed: str, half: bool
) -> None:
    asked: list[bool] = []

    def noted(row: StageRow, feed: Mapping[str, Array], spec: ModelSpec, *, half: bool) -> Iterator[Nudge]:
        asked.append(half)
        return iter(())

    monkeypatch.setattr(responses, "nudges", noted)
    drawn = judge.drawn(DIT, case_called(judge, "drums"), Sweep(draws=PLACES))
    judge.responses(DIT, computed, drawn)
    assert asked == [half] * PLACES
