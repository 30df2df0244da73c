"""Answers brought from elsewhere are judged like those of a runtime here, and what was not asked there is told."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from litert_pipeline.bundle import Bundle
from parity.judge.judge import Judge
from parity.judge.recorded import Recorded
from parity.judge.sources import AnswerSource
from parity.measure.arithmetic import Arithmetic
from parity.measure.asked import Digest, digest_of
from parity.measure.cases import Case
from parity.measure.replay import Generate
from parity.measure.verdict import Verdict
from parity.test_parity import case_called
from reference.spec.errors import InputError
from reference.spec.generation import Stage
from reference.spec.stages import DIT
from reference.spec.tensors import Array, Tensors

VARIANT = "litert_int8"


@dataclass(frozen=True, kw_only=True)
class Recorder:
    """A source that answers as another one does and keeps what it said."""

    source: AnswerSource
    bundle: Bundle
    kept: dict[str, dict[Digest, Tensors]] = field(default_factory=dict)

    @property
    def stages(self) -> list[str]:
        return self.source.stages

    @property
    def generate(self) -> Generate:
        return self.source.generate

    def stage(self, stage: str) -> Stage:
        return self._keeping(stage, self.source.stage(stage))

    def generating(self, stage: str) -> Stage:
        return self._keeping(stage, self.source.generating(stage))

    def repeated(self, stage: str, count: Callable[[Stage], int]) -> int:
        return count(self.stage(stage))

    def identity(self, stage: str) -> Hashable:
        return ("recorder", id(self.kept), stage)

    def arithmetic(self, stage: str) -> Arithmetic:
        return self.source.arithmetic(stage)

    def in_float32(self) -> None:
        """It keeps what was asked for alone."""

    def recorded(self) -> Recorded:
        """All that was asked so far."""
        return Recorded(
            bundle=self.bundle,
            arithmetics={stage: self.arithmetic(stage) for stage in self.stages},
            answers={stage: dict(self.kept.get(stage, {})) for stage in self.stages},
        )

    def _keeping(self, stage: str, run: Stage) -> Stage:
        def kept(feed: Mapping[str, Array]) -> Tensors:
            answer = run(feed)
            asked = digest_of(self.bundle.manifest.stages[stage].signature.bind(feed))
            self.kept.setdefault(stage, {})[asked] = answer
            return answer

        return kept


def all_of(judge: Judge, case: Case) -> list[Verdict]:
    """Both ladders of a variant."""
    checks = [check for stage in judge.stages(VARIANT) for check in judge.teacher_forced(stage, VARIANT, case)]
    return [*checks, *judge.free_running(VARIANT, case)]


@pytest.fixture(scope="module")
def case(judge: Judge) -> Case:
    return case_called(judge, "drums")


@pytest.fixture(scope="module")
def recorded(judge: Judge, case: Case) -> Recorded:
    bundle = judge.contenders[VARIANT].bundle
    assert bundle is not None
    recorder = Recorder(source=judge.source(VARIANT), bundle=bundle)
    all_of(judge.instead(VARIANT, recorder), case)
    return recorder.recorded()


def test_recorded_answers_get_the_verdicts_of_the_run_number_for_number(judge: Judge, recorded: Recorded, case: Case) -> None:
    assert all_of(judge.instead(VARIANT, recorded), case) == all_of(judge, case)


def test_a_recorded_answer_that_is_wrong_is_refused(judge: Judge, recorded: Recorded, case: Case) -> None:
    wrong = {asked: {"velocity": -found["velocity"]} for asked, found in recorded.answers[DIT].items()}
    other = replace(recorded, answers={**recorded.answers, DIT: wrong})
    checks = judge.instead(VARIANT, other).teacher_forced(DIT, VARIANT, case)
    assert not any(check.ok for check in checks if check.metric == "denoised_error")


def test_what_was_not_asked_there_is_told(judge: Judge, recorded: Recorded) -> None:
    other = judge.instead(VARIANT, recorded)
    with pytest.raises(InputError, match=r"dit\.tflite: no answer was recorded for these inputs"):
        other.teacher_forced(DIT, VARIANT, case_called(judge, "empty"))


CHANGES: dict[str, Callable[[Array], Array]] = {
    "dtype, of the same bytes": lambda x: x.view(np.int32),
    "shape, of the same bytes": lambda x: x.reshape(3, 2),
    "value": lambda x: x + 1,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_digest_is_of_everything_that_is_fed(change: Callable[[Array], Array]) -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert digest_of({"x": x, "t": x}) == digest_of({"t": x, "x": x})
    assert digest_of({"x": change(x), "t": x}) != digest_of({"x": x, "t": x})


def test_a_digest_is_of_what_it_is_fed_as() -> None:
    x = np.zeros(3, np.float32)
    assert digest_of({"x": x}) != digest_of({"t": x})
