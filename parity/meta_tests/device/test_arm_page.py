"""The Arm page says of a stage how near it is to its limit, how large its error is, and what is no number; it tells what agrees
from what does not; and no recipe computes in FP16 what it says is no number."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from litert_pipeline.build.recipes import RECIPES, Recipe
from parity.arm.asked import Asked, groups, unlike
from parity.arm.cell import cell
from parity.arm.claims import A53, A76, CONFIRMED, CORRECTED, N2, OFF, SME2, V1, _bits, same_share, same_told
from parity.arm.page import _told
from parity.arm.refused import FORCED_VARIANT, computed_in_half
from parity.device.record.answers import Answers
from parity.device.record.plan import Part, Variant
from parity.measure.arithmetic import FP16_COMPUTE
from parity.measure.verdict import TEACHER_FORCED, Verdict
from reference.spec.stages import CONDITIONER, DECODER, DIT, ENCODER
from reference.spec.tensors import Tensors

PAGE = Path(__file__).parents[3] / "docs/arm.md"
VARIANT = "litert_fp16"


def verdict(metric: str, value: float, limit: float, low_limit: float = 0.0) -> Verdict:
    return Verdict(
        stage=DIT, variant=VARIANT, case="drums", ladder=TEACHER_FORCED, metric=metric, value=value, limit=limit,
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
    checks, told = CELLS[kind]
    assert cell(checks) == told


def test_the_page_names_no_folder_of_the_machine_it_was_made_on() -> None:
    assert _told("/home/me/site/libLiteRt.so: it loads; move /that file") == "libLiteRt.so: it loads; move /that file"


@pytest.mark.parametrize(
    ("said", "found", "same"),
    [("46 %", "45 %", True), ("46 %", "75 %", False), ("960 NaN", "960 NaN", True), ("3840 NaN", "56 %", False)],
)
def test_a_share_is_confirmed_where_it_is_the_same(said: str, found: str, same: bool) -> None:
    assert same_share(said, found) == same


@dataclass(frozen=True, kw_only=True)
class Given:
    """Answers of one stage by what was fed, as recorded ones are asked for them."""

    values: Mapping[str, float]

    @dataclass(frozen=True)
    class Asking:
        own_parts: list[tuple[Variant, Part]] = field(default_factory=list)

    @property
    def plan(self) -> Any:
        part = Part(stage=DIT, judged_as=VARIANT, loading="", half=True, changes=False)
        variant = Variant(name=VARIANT, bundle="fp32", kernels="xnnpack", compute=None, parts=[part])
        return self.Asking([(variant, part)])

    def references(self, variant: str, stage: str) -> Iterator[tuple[str, Mapping[str, str]]]:
        return ((fed, {"v": repr(value)}) for fed, value in self.values.items())

    def given(self, variant: str, stage: str) -> Mapping[str, Tensors]:
        return {fed: {"v": np.array([value])} for fed, value in self.values.items()}


def asked(name: str, **values: float) -> Asked:
    return Asked(name=name, code=0, answers=cast("Answers", Given(values=values)))


def test_cpus_are_grouped_by_the_bits_of_what_all_were_asked() -> None:
    cpus = [asked("a", one=1.0, two=2.0), asked("b", one=1.0), asked("c", one=1.5, two=2.0)]
    assert groups(cpus, VARIANT, DIT) == [["a", "b"], ["c"]]


def test_other_bits_are_told_with_their_distance() -> None:
    few, same, other, none = asked("a", one=2.0), asked("a", one=2.0, two=1.0), asked("b", one=2.5), asked("c", one=float("nan"))
    assert unlike(few, same) == []
    assert same_told(few, same) == "the same in all 1 calls"
    assert unlike(few, other) == [f"{DIT}, {VARIANT} (2e-01 apart)"]
    assert unlike(few, none) == [f"{DIT}, {VARIANT} (no numbers)"]


@pytest.mark.parametrize(("twin", "verdicts"), [(2.0, [CONFIRMED, CORRECTED]), (3.0, [CORRECTED, CORRECTED])])
def test_who_gives_the_same_bits_is_confirmed_or_corrected(twin: float, verdicts: list[str]) -> None:
    """As was said of FP32; of INT8 other CPUs were said to agree."""
    values = {A53: 1.0, A76: 1.0, N2: 2.0, SME2: 4.0}
    whole, twins = ({name: asked(name, one=value) for name, value in own.items()} for own in (values, {V1: twin, OFF: 2.0}))
    assert [claim.verdict for claim in _bits(whole, twins)] == verdicts


def finite(page: str) -> set[str]:
    """The stages that the page says are finite on every CPU where they are computed in FP16."""
    rows = [line.split(" | ") for line in page.splitlines() if f", {FORCED_VARIANT} | " in line and " % (" in line]
    return {row[0].removeprefix("| ").partition(",")[0] for row in rows if not any("NaN" in one for one in row[1:])}


def test_recipes_compute_in_fp16_only_what_is_finite_on_every_emulated_cpu() -> None:
    known = finite(PAGE.read_text(encoding="utf-8"))
    assert known == {DIT, DECODER, ENCODER}
    assert {stage for stages in computed_in_half().values() for stage in stages} <= known


def test_a_recipe_that_computes_a_conditioner_in_fp16_is_seen() -> None:
    mine = Recipe(name="mine", compute={CONDITIONER: FP16_COMPUTE})
    assert computed_in_half({**RECIPES, "mine": mine})["mine"] == [CONDITIONER]
