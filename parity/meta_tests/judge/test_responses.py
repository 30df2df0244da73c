"""Which small changes a stage is asked: at every place of a small model, and as small as its arithmetic can answer."""

from collections.abc import Iterator, Mapping

import pytest

from parity.judge import responses
from parity.judge.judge import Judge
from parity.measure.nudges import Nudge
from parity.measure.sweep import Sweep
from parity.test_parity import case_called
from reference.spec.model import ModelSpec
from reference.spec.stages import DIT, StageRow
from reference.spec.tensors import Array

PLACES = 3


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
