"""The Arm page says of a stage how near it is to its limit, how large its error is, and what is no number."""

import pytest

from parity.arm_page import _cell, _told
from parity.measure.verdict import TEACHER_FORCED, Verdict
from reference.spec.stages import DIT


def verdict(metric: str, value: float, limit: float, low_limit: float = 0.0) -> Verdict:
    return Verdict(
        stage=DIT, variant="litert_fp16", case="drums", ladder=TEACHER_FORCED, metric=metric, value=value, limit=limit,
        low_limit=low_limit,
    )  # fmt: skip


SOUND = verdict("nonfinite_values", 0, 0)
CELLS = {
    "within": ([SOUND, verdict("denoised_error", 1e-3, 4e-3), verdict("worst_gain", 0.5, 1.0)], "50 % (1.0e-03)"),
    "beyond": ([SOUND, verdict("denoised_error", 6e-3, 4e-3)], "**150 %** (6.0e-03)"),
    "too exact": ([SOUND, verdict("denoised_error", 1e-3, 4e-3, 2e-3)], "**0.50x of the low limit** (1.0e-03)"),
    "no numbers": ([verdict("nonfinite_values", 960, 0)], "**960 NaN**"),
    "not asked": ([], "-"),
}


@pytest.mark.parametrize("kind", CELLS)
def test_a_cell_tells_the_worst(kind: str) -> None:
    checks, cell = CELLS[kind]
    assert _cell(checks) == cell


def test_the_page_names_no_folder_of_the_machine_it_was_made_on() -> None:
    assert _told("/home/me/site/libLiteRt.so: it loads; move /that file") == "libLiteRt.so: it loads; move /that file"
