"""The gate's checks as tests, one per stage, variant and case."""

import pytest

from parity.judge.judge import Judge
from parity.judge.lineup import labelled
from parity.measure.cases import Case, case_ids, load_cases
from parity.measure.verdict import Verdict


def case_called(judge: Judge, name: str) -> Case:
    return load_cases(judge.model.tokenizer, judge.model.spec.seconds, [name])[0]


def assert_ok(verdicts: list[Verdict]) -> None:
    assert verdicts
    assert not [str(verdict) for verdict in verdicts if not verdict.ok]


@pytest.mark.parametrize("case", case_ids())
def test_teacher_forced(judge: Judge, variant: str, stage: str, case: str) -> None:
    assert_ok(judge.teacher_forced(stage, variant, case_called(judge, case)))


@pytest.mark.parametrize("case", case_ids(free_running=True))
def test_free_running(judge: Judge, variant: str, case: str) -> None:
    assert_ok(judge.free_running(variant, case_called(judge, case)))


def test_three_runs_are_bit_equal(judge: Judge, variant: str, stage: str) -> None:
    assert_ok([judge.determinism(stage, variant, case_called(judge, case_ids()[0]))])


def test_files_are_what_the_manifest_says(judge: Judge) -> None:
    assert_ok([verdict for label, bundle in labelled(judge.contenders) for verdict in judge.artifacts(bundle, label)])
