"""A kit before it is used: right answers must pass, and wrong ones must not, or it would tell nothing."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from parity.device.packed import right_answers
from parity.device.record.arrays import Arrays
from parity.device.record.plan import CASE, Part, Plan, Question, Variant
from parity.device.record.verdicts import Bounds, measurements, truth_of
from parity.measure.verdict import Verdict
from reference.spec.errors import InputError
from reference.spec.tensors import Array, Tensors


def _not_a_number(array: Array) -> Array:
    wrong = array.copy()
    wrong.flat[0] = np.nan
    return wrong


def _spike(array: Array) -> Array:
    """One value off by all that the largest is."""
    wrong = array.copy()
    wrong.flat[wrong.size // 2] += np.abs(array).max()
    return wrong


PLANTED: Mapping[str, Callable[[Array], Array]] = {
    "a value that is no number": _not_a_number,
    "a sign that is flipped": np.negative,
    "a shift by one": lambda array: np.roll(array, 1, axis=-1),
    "one value that sticks out": _spike,
}


def rehearse(plan: Plan, arrays: Arrays) -> int:
    """Judge right and wrong answers to the first case as a device does; how many wrong ones were seen.

    Raises InputError if a right answer is refused or a wrong one passes.
    """
    seen = 0
    for variant, part in plan.own_parts:
        question = next(one for one in plan.questions_for(part) if one.kind == CASE)
        truth = truth_of(arrays, plan.right[part.stage, question.id, part.loading])
        right = right_answers(part.stage, truth)
        _require_right(list(_judged(plan, variant, question, truth, right)))
        for fault, change in PLANTED.items():
            wrong = [{name: change(array) for name, array in answer.items()} for answer in right]
            _require_seen(plan, variant, part, question, truth, wrong, fault)
            seen += 1
    return seen


def _judged(plan: Plan, variant: Variant, question: Question, truth: Tensors, answers: list[Tensors]) -> Iterator[Verdict]:
    bounds = Bounds(plan=plan)
    return (bounds.verdict(variant.name, question, one) for one in measurements(plan.objective, question, truth, answers))


def _require_right(checks: list[Verdict]) -> None:
    """The truth is more exact than any file: it may stay below a lower side, beyond an upper one it may not be."""
    wrong = [check for check in checks if not check.value <= check.limit]
    if wrong:
        raise InputError(f"the truth itself is refused ({wrong[0]}); no kit is written, its yardsticks are no numbers")


def _require_seen(
    plan: Plan, variant: Variant, part: Part, question: Question, truth: Tensors, wrong: list[Tensors], fault: str
) -> None:
    checks = list(_judged(plan, variant, question, truth, wrong))
    if all(check.value <= check.limit for check in checks):
        raise InputError(f"{part.stage}/{variant.name}: {fault} would pass on the device; no kit is written")
