"""What was answered is asked once, kept by what gave it, and what stands in for a contender is nobody else's answer."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from parity.faults.injection import Injected
from parity.judge.answers import Answers, Key
from parity.judge.judge import Judge
from parity.measure.budget import YARDSTICK
from parity.measure.cases import Case
from parity.test_parity import case_called
from reference.spec.generation import Stage
from reference.spec.stages import ENCODER
from reference.spec.tensors import Tensors

ANSWER = [{"init_latents": np.zeros((1, 12, 40), np.float32)}]  # as the tiny model has them


@dataclass
class Noting(Answers):
    """Answers with zeros and notes what is to be kept on disk."""

    kept: list[bool] = field(default_factory=list)

    def of(self, key: Key, case: Case, open_stage: Callable[[], Stage], *, keep: bool) -> list[Tensors]:
        self.kept.append(keep)
        return ANSWER


@pytest.fixture
def noting(judge: Judge) -> tuple[Judge, Noting]:
    answers = Noting(truths=judge.truths, threads=1)
    return replace(judge, _answers=answers), answers


def wrong(judge: Judge, name: str) -> Injected:
    return Injected(clean=judge.source(name), wrong={ENCODER: lambda feed: ANSWER[0]})


@pytest.mark.parametrize(("name", "keep"), [(YARDSTICK, True), ("int8_rows", True), ("litert_fp32", False)])
def test_only_what_follows_from_the_model_is_kept(noting: tuple[Judge, Noting], name: str, keep: bool) -> None:
    judge, answers = noting
    judge.answers(ENCODER, name, case_called(judge, "drums"))
    assert answers.kept == [keep]


def test_what_stands_in_for_the_reference_is_not_kept(noting: tuple[Judge, Noting]) -> None:
    judge, answers = noting
    other = replace(judge, replaced={YARDSTICK: wrong(judge, YARDSTICK)}, _answers=answers)
    other.answers(ENCODER, YARDSTICK, case_called(judge, "drums"))
    assert answers.kept == [False]


def test_what_a_fault_answers_is_forgotten_with_it(judge: Judge) -> None:
    """The judge it was made from goes on for hundreds of them."""
    case = case_called(judge, "drums")
    known = judge.answered
    judge.measured(ENCODER, "litert_fp32", case)
    before = (dict(known._answers), dict(known._measured))
    judge.instead("litert_fp32", wrong(judge, "litert_fp32")).measured(ENCODER, "litert_fp32", case)
    assert (known._answers, known._measured) == before
