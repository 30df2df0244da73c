"""The error of a stage over all steps and cases together, which sees what the worst of many hides."""

from collections.abc import Sequence

import numpy as np

from parity.measure.budget import UNIT_ROUNDOFF
from parity.measure.cases import Case, Drawn
from parity.measure.teacher_forcing import NONFINITE, Measurement

POOLED = "pooled_error"
TO_POOL = ("relative_l2.prompt_rows", "denoised_error", "relative_l2")  # a stage has one of them at most


def pooled(cases: Sequence[Sequence[Measurement]]) -> Measurement | None:
    """The geometric mean of all of a stage's errors, none taken for less than a rounding; `cases` are its measurements, case
    by case. None of a stage without such a measure, and where an answer was not finite, which is told elsewhere."""
    values = [one.value for case in cases for one in case if one.metric in TO_POOL]
    if not values or any(one.metric == NONFINITE and one.value for case in cases for one in case):
        return None
    return Measurement(metric=POOLED, value=float(np.exp(np.mean(np.log(np.maximum(values, UNIT_ROUNDOFF))))))


def of_cases(cases: Sequence[Case | Drawn]) -> str:
    """What all of them together are called."""
    return cases[0].id if len(cases) == 1 else f"{len(cases)} cases"
