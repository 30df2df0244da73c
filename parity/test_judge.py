"""The judge refuses a stage that misbehaves at run time, on the ladder and at the stage where it should."""

from collections.abc import Callable, Mapping
from itertools import count

import numpy as np
import pytest
import torch

from parity.blame import suspects
from parity.cases import Case, load_cases
from parity.judge import Judge
from parity.recognise import HALF_T5, half_t5
from parity.verdict import FREE_RUNNING, TEACHER_FORCED, Verdict
from reference.spec.generation import Stage
from reference.spec.tensors import ALL_STAGES, Array, Tensors

VARIANT = "litert_fp32"


def changed_output(name: str, change: Callable[[Array], Array]) -> Callable[[Stage], Stage]:
    """A stage whose output `name` goes through `change`."""

    def wrap(run: Stage) -> Stage:
        def faulty(feed: Mapping[str, Array]) -> Tensors:
            outputs = run(feed)
            return {**outputs, name: change(outputs[name])}

        return faulty

    return wrap


def one_nan(array: Array) -> Array:
    spoiled = array.copy()
    spoiled.flat[7] = np.nan
    return spoiled


def timestep_in_thousandths(run: Stage) -> Stage:
    return lambda feed: run({**feed, "t": feed["t"] * np.float32(1000)})


def last_call_differs() -> Callable[[Stage], Stage]:
    """From the second call on, the lowest bit of one value moves."""
    calls = count()
    return changed_output("audio", lambda audio: audio if next(calls) == 0 else np.nextafter(audio, np.float32(2)))


FAULTS: dict[str, tuple[str, Callable[[Stage], Stage]]] = {
    "padding rows not zero": ("conditioner", changed_output("cross_attention_cond", lambda a: a + np.float32(1e-3))),
    "seconds dropped": ("conditioner", changed_output("global_cond", np.zeros_like)),
    "nan in conditioning": ("conditioner", changed_output("cross_attention_cond", one_nan)),
    "velocity sign": ("dit", changed_output("velocity", np.negative)),
    "velocity gain": ("dit", changed_output("velocity", lambda v: v * np.float32(1.001))),
    "nan in velocity": ("dit", changed_output("velocity", one_nan)),
    "timestep in thousandths": ("dit", timestep_in_thousandths),
    "channels swapped": ("decoder", changed_output("audio", lambda a: a[:, ::-1])),
    "gain 1.05": ("decoder", changed_output("audio", lambda a: a * np.float32(1.05))),
    "one sample late": ("decoder", changed_output("audio", lambda a: np.roll(a, 1, axis=-1))),
    "nan in audio": ("decoder", changed_output("audio", one_nan)),
    "silence": ("decoder", changed_output("audio", np.zeros_like)),
}


def faulty_judge(judge: Judge, stage: str, wrap: Callable[[Stage], Stage]) -> tuple[Judge, Case]:
    """A judge of the same files in which one stage of VARIANT misbehaves."""
    opened = {(VARIANT, name): judge.stage(VARIANT, name) for name in ALL_STAGES}
    opened[VARIANT, stage] = wrap(opened[VARIANT, stage])
    case = load_cases(judge.model.tokenizer, judge.model.spec.seconds, ["drums"])[0]
    return Judge(truths=judge.truths, bundles=judge.bundles, opened=opened), case


def blamed(checks: list[Verdict]) -> list[str]:
    return [check.stage for check in suspects(checks)]


@pytest.mark.parametrize("fault", FAULTS)
def test_teacher_forced_ladder_blames_the_faulty_stage_alone(judge: Judge, fault: str) -> None:
    stage, wrap = FAULTS[fault]
    faulty, case = faulty_judge(judge, stage, wrap)
    checks = {name: faulty.teacher_forced(name, VARIANT, case) for name in ALL_STAGES}
    assert [name for name in ALL_STAGES if not all(check.ok for check in checks[name])] == [stage]
    assert blamed([check for name in ALL_STAGES for check in checks[name]]) == [stage]
    assert {check.ladder for check in checks[stage]} == {TEACHER_FORCED}


@pytest.mark.parametrize("fault", FAULTS)
def test_free_running_ladder_notices_and_a_fault_does_not_widen_its_own_limits(judge: Judge, fault: str) -> None:
    faulty, case = faulty_judge(judge, *FAULTS[fault])
    checks = faulty.free_running(VARIANT, case)
    assert {check.ladder for check in checks} == {FREE_RUNNING}
    assert not all(check.ok for check in checks)


def test_t5_in_float16_is_recognised(judge: Judge) -> None:
    """A float32 bundle made by upstream's scripts: refused, and told why."""
    faulty, case = faulty_judge(judge, "conditioner", lambda run: in_float32(half_t5(judge.model)))
    failed = [check for check in faulty.teacher_forced("conditioner", VARIANT, case) if not check.ok]
    assert {check.metric for check in failed} == {"relative_l2.prompt_rows"}
    assert all(HALF_T5 in str(check) for check in failed)


def test_another_fault_is_not_taken_for_t5_in_float16(judge: Judge) -> None:
    faulty, case = faulty_judge(judge, *FAULTS["padding rows not zero"])
    assert not any(HALF_T5 in str(check) for check in faulty.teacher_forced("conditioner", VARIANT, case))


def rows_off(rows: slice, error: float) -> Callable[[Stage], Stage]:
    """Some rows of the conditioning off by `error`, relative to themselves or, where they are zero, to one."""

    def change(cond: Array) -> Array:
        changed = cond.copy()
        changed[:, rows] += np.float32(error) * np.where(cond[:, rows], np.abs(cond[:, rows]), np.float32(1))
        return changed

    return changed_output("cross_attention_cond", change)


# Faults that drown in the output as a whole: rows, relative error, the metric that alone sees it.
QUIET_FAULTS = {
    "a whisper in the padding": (slice(-3, -1), 1e-10, "padding_peak"),
    "the seconds row": (slice(-1, None), 2e-6, "relative_l2.seconds_row"),
}


@pytest.mark.parametrize("fault", QUIET_FAULTS)
def test_rows_of_the_conditioning_are_judged_apart(judge: Judge, fault: str) -> None:
    rows, error, metric = QUIET_FAULTS[fault]
    faulty, case = faulty_judge(judge, "conditioner", rows_off(rows, error))
    failed = [check.metric for check in faulty.teacher_forced("conditioner", VARIANT, case) if not check.ok]
    assert failed == [metric]


def test_the_threads_of_the_process_are_given_back(judge: Judge) -> None:
    before = torch.get_num_threads()
    with Judge(truths=judge.truths, bundles={}, threads=before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def in_float32(run: Stage) -> Stage:
    return lambda feed: {name: array.astype(np.float32) for name, array in run(feed).items()}


def test_a_stage_that_answers_differently_the_second_time_fails(judge: Judge) -> None:
    faulty, case = faulty_judge(judge, "decoder", last_call_differs())
    assert faulty.determinism("dit", VARIANT, case).ok
    verdict = faulty.determinism("decoder", VARIANT, case)
    assert not verdict.ok
    assert verdict.value > 0
