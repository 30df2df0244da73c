"""A stage on a CPU in a few words: how near it is to its limit, how large its error is, and what is no number."""

from collections.abc import Sequence

from parity.arm.asked import NOT_FINITE
from parity.measure.verdict import Verdict

ERRORS = ("relative_l2", "relative_l2.prompt_rows", "denoised_error")  # of a stage as a whole


def cell(checks: Sequence[Verdict]) -> str:
    """The worst check, and the largest error of the stage as a whole; what is refused stands out."""
    told, error = share(checks), error_of(checks)
    shown = told if all(check.ok for check in checks) else f"**{told}**"
    return shown if error is None or not_finite(checks) else f"{shown} ({error:.1e})"


def share(checks: Sequence[Verdict]) -> str:
    """The worst check in parts of its limit, or how many values are not finite."""
    if not checks:
        return "-"
    if not_finite(checks):
        return f"{not_finite(checks):.0f} NaN"
    worst = worst_of(checks)
    if worst.value < worst.low_limit:
        return f"{worst.value / worst.low_limit:.2f}x of the low limit"
    return f"{worst.share_of_limit:.0%}".replace("%", " %")


def worst_of(checks: Sequence[Verdict]) -> Verdict:
    """The check that is nearest to its limit, or farthest beyond."""
    return max(checks, key=lambda check: check.share_of_limit)


def error_of(checks: Sequence[Verdict]) -> float | None:
    """The largest error of the stage as a whole."""
    return max((check.value for check in checks if check.metric in ERRORS), default=None)


def not_finite(checks: Sequence[Verdict]) -> float:
    """How many values are no numbers."""
    return sum(check.value for check in checks if check.metric == NOT_FINITE)
