"""The judge refuses a stage that misbehaves at run time, on the ladder and at the stage where it should."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from parity.faults.bench import Bench
from parity.faults.catalogue import CATALOGUE
from parity.faults.injection import Injected
from parity.faults.wiring import answering
from parity.judge.judge import Judge
from parity.judge.known_causes import HALF_T5, half_t5
from parity.judge.sources import Run
from parity.measure.budget import YARDSTICK
from parity.measure.cases import Case
from parity.measure.limits import limits
from parity.measure.verdict import FREE_RUNNING
from parity.meta_tests.more import few
from parity.test_parity import case_called
from reference.spec.generation import Stage
from reference.spec.tensors import Array

VARIANT = "litert_fp32"
MOST_THREADS = 2  # that every machine has
WIDER = 10  # times a clean variant's limits: a fault may add to its envelope what its budgets allow, 4x a rounding


def last_call_differs() -> Callable[[Stage], Stage]:
    """From the second call on, the lowest bit of one value moves."""
    calls = count()
    return answering("audio", lambda audio: audio if next(calls) == 0 else np.nextafter(audio, np.float32(2)))


HEARD = (
    "padding_not_zeroed", "seconds_dropped", "t5_fp16_overflow", "velocity_sign", "timestep_in_thousandths", "all_nan",
    "channels_swapped", "gain", "one_sample_late", "silence", "nan_frame",
)  # fmt: skip
KEPT = {"t5_fp16_overflow", "velocity_sign", "one_sample_late", "nan_frame"}  # one of each stage, and what is no number


def with_fault(judge: Judge, name: str) -> Judge:
    """A judge of the same files in which VARIANT has a fault of the catalogue."""
    return CATALOGUE[name].inject(Bench(judge=judge, model=Path(), folder=Path()), judge, VARIANT, 1.0)


def faulty_judge(judge: Judge, stage: str, wrap: Callable[[Stage], Stage]) -> tuple[Judge, Case]:
    """The same with one stage that misbehaves in a way of its own."""
    wrong = Injected(clean=judge.source(VARIANT), wrong={stage: wrap(judge.stage(VARIANT, stage))})
    return judge.instead(VARIANT, wrong), case_called(judge, "drums")


@pytest.mark.parametrize("name", few(HEARD, KEPT))
def test_free_running_ladder_notices_and_a_fault_does_not_widen_its_own_limits(judge: Judge, name: str) -> None:
    checks = with_fault(judge, name).free_running(VARIANT, case_called(judge, "drums"))
    assert {check.ladder for check in checks} == {FREE_RUNNING}
    assert not all(check.ok for check in checks)
    clean = {check.id: check.limit for check in judge.free_running(VARIANT, case_called(judge, "drums"))}
    own = [check for check in checks if check.stage == "dit"]
    assert all(check.limit <= WIDER * clean[check.id] for check in own)


def test_t5_in_float16_is_recognised(judge: Judge) -> None:
    """A float32 bundle made by upstream's scripts: refused, and told why."""
    faulty, case = faulty_judge(judge, "conditioner", lambda run: in_float32(half_t5(judge.model)))
    failed = [check for check in faulty.teacher_forced("conditioner", VARIANT, case) if not check.ok]
    assert {check.metric for check in failed} == {"relative_l2.prompt_rows"}
    assert all(HALF_T5 in str(check) for check in failed)


def test_another_fault_is_not_taken_for_t5_in_float16(judge: Judge) -> None:
    checks = with_fault(judge, "t5_mask_ignored").teacher_forced("conditioner", VARIANT, case_called(judge, "drums"))
    assert [check.metric for check in checks if not check.ok] == ["relative_l2.prompt_rows"]
    assert not any(HALF_T5 in str(check) for check in checks)


def rows_off(rows: slice, error: float) -> Callable[[Stage], Stage]:
    """Some rows of the conditioning off by `error`, relative to themselves or, where they are zero, to one."""

    def change(cond: Array) -> Array:
        changed = cond.copy()
        changed[:, rows] += np.float32(error) * np.where(cond[:, rows], np.abs(cond[:, rows]), np.float32(1))
        return changed

    return answering("cross_attention_cond", change)


# Faults that drown in the output as a whole: rows, relative error, the metric that alone sees it.
QUIET_FAULTS = {
    "a whisper in the padding": (slice(-3, -1), 1e-10, "padding_peak"),
    "the seconds row": (slice(-1, None), 2e-6, "relative_l2.seconds"),
}


@pytest.mark.parametrize("fault", QUIET_FAULTS)
def test_rows_of_the_conditioning_are_judged_apart(judge: Judge, fault: str) -> None:
    rows, error, metric = QUIET_FAULTS[fault]
    faulty, case = faulty_judge(judge, "conditioner", rows_off(rows, error))
    failed = [check.metric for check in faulty.teacher_forced("conditioner", VARIANT, case) if not check.ok]
    assert failed == [metric]


@pytest.mark.parametrize("judged", ["litert_fp16", "litert_fp32"])
def test_a_yardstick_that_is_not_finite_allows_nothing(judge: Judge, judged: str) -> None:
    """T5 in FP16 may overflow in the reference and not in the variant; that is a refusal, not a crash. Which yardstick that is
    beside depends on what FP16 compute is here."""
    case, metrics = case_called(judge, "drums"), {f"relative_l2.{row}" for row in ("prompt_rows", "seconds")}
    arithmetic, faulty = judge.arithmetic(judged, "conditioner"), judge
    for yardstick in {limits("conditioner", metric, arithmetic).yardstick for metric in metrics}:
        overflowing = answering("cross_attention_cond", lambda cond: np.full_like(cond, np.inf))(
            judge.stage(yardstick, "conditioner")
        )
        wrong = Injected(clean=judge.source(YARDSTICK), wrong={"conditioner": overflowing})
        faulty = faulty.instead(yardstick, wrong)
    failed = [check for check in faulty.teacher_forced("conditioner", judged, case) if not check.ok]
    assert {check.metric for check in failed} == metrics


def test_the_threads_of_the_process_are_given_back(judge: Judge) -> None:
    before, fewer = (torch.get_num_threads(), blas_threads()), MOST_THREADS - 1
    with Judge(truths=judge.truths, contenders={}, threads=fewer):
        assert (torch.get_num_threads(), blas_threads()) == (fewer, {fewer})
    assert (torch.get_num_threads(), blas_threads()) == before
    with Judge(truths=judge.truths, contenders={}, threads=MOST_THREADS):
        assert (torch.get_num_threads(), blas_threads()) == (MOST_THREADS, {MOST_THREADS})


def test_a_judge_on_other_threads_asks_runtimes_again_and_no_yardstick(judge: Judge) -> None:
    case = case_called(judge, "drums")
    (checks,) = judge.pooled("dit", VARIANT, [case])
    with judge.on_threads(MOST_THREADS + 1) as other:
        source = other.source(VARIANT)
        assert isinstance(source, Run)
        assert source.threads == MOST_THREADS + 1
        assert other.answers("dit", VARIANT, case) is not judge.answers("dit", VARIANT, case)
        assert other.beside("dit", VARIANT, YARDSTICK, case) is judge.beside("dit", VARIANT, YARDSTICK, case)
        assert [check.limit for check in other.pooled("dit", VARIANT, [case])] == [checks.limit]


def test_yardsticks_are_asked_on_their_own_threads(judge: Judge) -> None:
    """Their last bits depend on the number: what another judge asks first has to be what this one would have found."""
    case = case_called(judge, "drums")
    with Judge(truths=judge.truths, contenders=judge.contenders, threads=1) as fresh:
        with fresh.on_threads(MOST_THREADS + 1) as other:
            other.beside("decoder", VARIANT, YARDSTICK, case)
        assert fresh.determinism("decoder", YARDSTICK, case).ok


def blas_threads() -> set[int]:
    """Threads of every BLAS that is loaded."""
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def in_float32(run: Stage) -> Stage:
    return lambda feed: {name: array.astype(np.float32) for name, array in run(feed).items()}


def test_a_stage_that_answers_differently_the_second_time_fails(judge: Judge) -> None:
    faulty, case = faulty_judge(judge, "decoder", last_call_differs())
    assert faulty.determinism("dit", VARIANT, case).ok
    verdict = faulty.determinism("decoder", VARIANT, case)
    assert not verdict.ok
    assert verdict.value > 0
