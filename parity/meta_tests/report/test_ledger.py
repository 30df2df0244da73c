"""Limits are reviewed: each is in the ledger as it stands, leaves neither too little nor too much room, or says why."""

import json
import math
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from litert_pipeline.build.recipes import RECIPES
from parity.__main__ import app
from parity.bundles.given import makeable
from parity.judge.held import envelope_why
from parity.judge.judge import Judge
from parity.judge.plan import shared_stages
from parity.measure.budget import Fixed
from parity.measure.limits import LIMITS, nearest
from parity.measure.sweep import RESPONSE
from parity.measure.verdict import FREE_RUNNING, TEACHER_FORCED
from parity.meta_tests.report.sample import CHECK
from parity.report.headroom import COUNTS, Headroom, headrooms, worst
from parity.report.ledger import LEAST_ROOM, MOST_ROOM, complaint, differences, read_ledger, record
from parity.runtimes import names_of
from parity.truth.envelope import DRAWS
from reference.spec.errors import InputError

RECORDED_DIGITS = 1e-3
LEAST_DRAWS = 32  # fewer do not place a quantile of 0.9
REPORT: dict[str, Any] = {
    "checks": [CHECK.to_json()],
    "model": {"weights_sha256": "00"},
    "environment": {"cpu_model": 'a "CPU"', "versions": {"torch": "2.13.0"}, "fp16_compute": "half products, half sums (0 kept)"},
}


def test_every_budget_is_in_the_ledger_at_its_present_limit(judge: Judge) -> None:
    ledger, variants = read_ledger(), list(judge.contenders)
    shared = shared_stages(judge, variants)
    for variant in variants:
        for stage in judge.stages(variant):
            arithmetic = judge.arithmetic(variant, stage)
            there = arithmetic.on(ledger.halves) if variant.startswith("litert") else arithmetic  # whose FP16 is the machine's
            for metric, budget in LIMITS[nearest(there)][stage].items():
                if metric in (*COUNTS, RESPONSE) or (variant, stage) in shared:
                    continue
                row = ledger.budgets[variant, f"{stage} {TEACHER_FORCED} {metric}"]
                assert row["why"] == budget.why
                if isinstance(budget, Fixed):
                    assert row["limit"] == pytest.approx(budget.limit, rel=RECORDED_DIGITS)
    not_made = [RECIPES[name] for name in RECIPES.keys() - makeable(set(RECIPES), lambda _: None)]
    elsewhere = {name for recipe in not_made for name, _ in names_of(recipe.format, recipe.name)}
    assert {variant for variant, _ in ledger.budgets} - elsewhere == set(variants)
    free = {row["why"] for (_, name), row in ledger.budgets.items() if FREE_RUNNING in name and "conditioner" not in name}
    assert free == {envelope_why(DRAWS)}
    assert DRAWS >= LEAST_DRAWS


def test_a_report_is_held_to_the_limits_that_were_reviewed(tmp_path: Path) -> None:
    """`make headroom` does it with all that `make gate` judges."""
    path, other = tmp_path / "ledger.toml", replace(CHECK, metric="relative_l2")
    record(REPORT, path)
    own = list(headrooms(REPORT["checks"]))
    assert differences(own, read_ledger(path)) == []
    (new,) = differences([*own, *headrooms([other.to_json()])], read_ledger(path))
    assert new.startswith(f"{CHECK.variant}: {CHECK.stage} {CHECK.ladder} relative_l2 was judged")
    (gone, _) = sorted(differences(headrooms([other.to_json()]), read_ledger(path)))
    assert gone.startswith(f"{CHECK.variant}: {CHECK.stage} {CHECK.ladder} {CHECK.metric} is in the ledger")
    assert differences(headrooms([replace(CHECK, variant="another").to_json()]), replace(read_ledger(path), budgets={})) != []


@pytest.mark.parametrize("whole", [True, False])
def test_the_command_ends_1_where_limits_were_not_reviewed(tmp_path: Path, whole: bool) -> None:
    report = {**REPORT, "checks": [replace(CHECK, metric="never_reviewed").to_json()], "artifacts": []}
    (tmp_path / "report.json").write_text(json.dumps(report))
    result = CliRunner().invoke(app, ["headroom", str(tmp_path), *(["--whole"] if whole else [])])
    assert result.exit_code == int(whole), result.output
    assert ("never_reviewed was judged, and is not in the ledger" in result.output) == whole


def test_headroom_is_the_tightest_over_all_cases_and_both_sides() -> None:
    checks = [replace(CHECK, value=value) for value in (0.2, 0.4, 0.5)]  # limits 0.1 and 1
    (row,) = headrooms(check.to_json() for check in checks)
    assert (row.least, row.most, row.room, row.limit) == (0.2, 0.5, 2.0, 0.1)
    other = replace(CHECK, metric="relative_l2", ladder=FREE_RUNNING, value=0.9)
    assert worst(headrooms(check.to_json() for check in [*checks, other]))[CHECK.variant].budget.endswith("relative_l2")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_has_no_room(value: float) -> None:
    (row,) = headrooms([replace(CHECK, value=value).to_json()])
    assert row.room == 0


def headroom(room: float) -> Headroom:
    return Headroom(variant="v", budget="dit x y", least=0, most=1, limit=1, room=room, why="")


@pytest.mark.parametrize(
    ("room", "outside", "complains"),
    [
        (LEAST_ROOM, {}, False), (MOST_ROOM, {}, False), (1.29, {}, True), (10.1, {}, True), (1.29, {"v": "why"}, False),
        (2.0, {"v": "a reason that no longer holds"}, True), (0.0, {"other": "why"}, True),
    ],
)  # fmt: skip
def test_the_band_is_strict_both_ways(room: float, outside: dict[str, str], complains: bool) -> None:
    assert (complaint(headroom(room), outside) is not None) == complains


def test_recording_keeps_the_reasons_and_overwrites_only_by_force(tmp_path: Path) -> None:
    path = tmp_path / "ledger.toml"
    record(REPORT, path)
    text = path.read_text()
    assert f'date = "{date.today().isoformat()}"' in text
    path.write_text(text.replace("\n[outside]\n", '\n[outside]\nlitert_int8 = "it \\"says\\" why"\n'))
    with pytest.raises(InputError, match="already exists"):
        record(REPORT, path)
    record(REPORT, path, force=True)
    ledger = read_ledger(path)
    assert ledger.halves == "half products, half sums"
    assert ledger.outside == {"litert_int8": 'it "says" why'}
    assert ledger.budgets["litert_int8", f"dit {TEACHER_FORCED} denoised_error"]["room"] == 2.0


@pytest.mark.parametrize("text", ["", "not toml [", '{"checks": 3}', '{"checks": [], "environment": {}}'])
def test_a_file_that_is_no_report_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text)
    result = CliRunner().invoke(app, ["headroom", str(tmp_path)])
    assert result.exit_code == 2
    assert result.output.count("error: ") == 1
    assert "report.json" in result.output
