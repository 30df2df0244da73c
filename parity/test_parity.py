"""The gate's checks as tests, one per stage, variant and case."""

from parity.judge.judge import Judge
from parity.judge.lineup import labelled
from parity.measure.cases import Case, load_cases
from parity.measure.policy import Policy
from parity.measure.sweep import Sweep
from parity.measure.verdict import Verdict


def case_called(judge: Judge, name: str) -> Case:
    return load_cases(judge.model.tokenizer, judge.model.spec, [name])[0]


def assert_ok(verdicts: list[Verdict]) -> None:
    assert verdicts
    assert not [str(verdict) for verdict in verdicts if not verdict.ok]


def label_of(judge: Judge, variant: str) -> str:
    """What the bundle that a variant runs is called in reports."""
    return next(label for label, bundle in labelled(judge.contenders) if bundle is judge.contenders[variant].bundle)


def test_teacher_forced(judge: Judge, variant: str, stage: str, asked_case: str) -> None:
    found = judge.teacher_forced(stage, variant, case_called(judge, asked_case))
    print(*found, sep="\n")  # what was measured, for 'pytest -rP'
    assert_ok(found)


def test_pooled_over_all_cases(judge: Judge, variant: str, stage: str, cases: list[Case]) -> None:
    pooled = judge.pooled(stage, variant, cases)
    assert not [str(verdict) for verdict in pooled if not verdict.ok]


def test_over_the_whole_domain(judge: Judge, variant: str, stage: str, sweep: Sweep, cases: list[Case]) -> None:
    drawn = judge.drawn(stage, cases[0], sweep)
    verdicts = [verdict for one in drawn for verdict in judge.swept(variant, one)] + judge.responses(stage, variant, drawn)
    assert not [str(verdict) for verdict in verdicts if not verdict.ok]


def test_the_graph_is_the_model_s(judge: Judge, variant: str, stage: str, cases: list[Case]) -> None:
    """Answers of a file that is quantized or computed in FP16 beside those of the reference that holds its weights; what float32
    stores and computes has limits enough."""
    structure = judge.structure(stage, variant, cases)
    assert not [str(verdict) for verdict in structure if not verdict.ok]


def test_free_running(judge: Judge, variant: str, free_case: str) -> None:
    assert_ok(judge.free_running(variant, case_called(judge, free_case)))


def test_close_enough(judge: Judge, variant: str, policy: Policy, cases: list[Case]) -> None:
    """What the policy asks of the distances over all cases; whether the errors are those of the file's arithmetic is above."""
    checks = [check for stage in judge.stages(variant) for case in cases for check in judge.teacher_forced(stage, variant, case)]
    free = [case for case in cases if case.free_running and judge.whole(variant)]
    checks += [check for case in free for check in judge.free_running(variant, case)]
    found = policy.held(label_of(judge, variant), checks)
    assert found
    loaded = policy.loading.held({stage: judge.loading(variant, stage) for stage in judge.stages(variant)})
    assert not [str(one) for one in (*found, *loaded) if not one.ok]


def test_three_runs_are_bit_equal(judge: Judge, variant: str, stage: str, cases: list[Case]) -> None:
    assert_ok([judge.determinism(stage, variant, cases[0])])


def test_files_are_what_the_manifest_says(judge: Judge) -> None:
    assert_ok([verdict for label, bundle in labelled(judge.contenders) for verdict in judge.artifacts(bundle, label)])
