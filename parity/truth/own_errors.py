"""What a variant adds to each output when fed the truth, capped by its budgets: the seed of its envelope."""

from collections.abc import Mapping

import numpy as np

from parity.measure.metrics import relative_l2
from parity.measure.verdict import Verdict
from parity.truth.disturbed import OwnErrors
from reference.spec.stages import STAGE_TABLE
from reference.spec.tensors import Array, Tensors

# The metrics whose budgets cap what an output may add to its own envelope.
CAPPING = {
    "cross_attention_cond": ("relative_l2.prompt_rows", "relative_l2.seconds", "padding_peak"),
    "global_cond": ("relative_l2.seconds",),
    "velocity": ("denoised_error",),
    "audio": ("relative_l2",),
}


def own_errors(
    outputs: Mapping[str, list[Tensors]], truth: Tensors, judged: Mapping[str, list[Verdict]] | None = None
) -> OwnErrors:
    """`outputs` and `judged` are teacher-forced, by stage. Nothing is added where a value is not finite, which fails
    elsewhere. Without verdicts nothing is capped: such outputs are the reference's own."""
    arrays: dict[str, list[Array]] = {}
    sizes: dict[str, list[float]] = {}
    for stage, answers in outputs.items():
        checks = None if judged is None else {(check.metric, check.step): check for check in judged[stage]}
        row = STAGE_TABLE[stage]
        exact, places = [row.truth(truth, call) for call in range(len(answers))], row.places(truth)
        for name in answers[0]:
            errors = [_finite(answer[name] - wanted[name]) for answer, wanted in zip(answers, exact, strict=True)]
            arrays[name] = errors
            sizes[name] = [
                relative_l2(wanted[name], wanted[name] + error) * _share(checks, name, places[call].step)
                for call, (error, wanted) in enumerate(zip(errors, exact, strict=True))
            ]
    return OwnErrors(arrays=arrays, sizes=sizes)


def _finite(error: Array) -> Array:
    return error if np.isfinite(error).all() else np.zeros_like(error)


def _share(checks: Mapping[tuple[str, int | None], Verdict] | None, name: str, step: int | None) -> float:
    """The part of an output's error that all its budgets allow."""
    return 1.0 if checks is None else min(_allowed(checks.get((metric, step))) for metric in CAPPING[name])


def _allowed(check: Verdict | None) -> float:
    """The part of an error that its budget allows; none of one that could not be measured."""
    if check is None:
        return 0.0
    return 1.0 if check.value <= check.limit else check.limit / check.value
