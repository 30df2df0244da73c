"""The recorder where nothing but numpy and LiteRT can be imported: what it answers, says, and goes on with."""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from parity.device.record.answers import read_answers
from parity.device.record.arrays import Arrays
from parity.device.record.journal import END, JOURNAL, JUDGED, Entry
from parity.device.record.kit import ARRAYS, BUNDLES, read_kit
from parity.device.record.plan import MANIFEST
from parity.device.record.verdicts import OnTheSpot
from parity.judge.judge import Judge
from parity.measure.pooled import POOLED
from parity.measure.sweep import Sweep
from parity.measure.verdict import Verdict
from parity.meta_tests.device.kits import (
    RECIPE,
    VARIANT,
    Run,
    changed_kit,
    clean_environment,
    command,
    copy_of,
    given,
    grown_scales,
    rewritten,
    run_recorder,
)
from parity.test_parity import case_called
from reference.spec.errors import EXIT_NOT_JUDGED, EXIT_OK, EXIT_REFUSE, InputError

pytestmark = pytest.mark.xdist_group("kit")  # packed once, not once in every process

LINES_BEFORE_KILL = 12  # of the journal: some answers are there, and not all
PATIENCE_S = 120.0


def on_the_spot(kit: Path, answers: Path) -> list[Verdict]:
    return list(OnTheSpot(answers=read_answers(answers), arrays=read_kit(kit).arrays).verdicts())


def test_a_right_bundle_is_within_its_limits_and_nothing_else_is_imported(recording: tuple[Path, Run]) -> None:
    _, run = recording
    assert run.code == EXIT_OK, run.errors
    assert "0 beyond their limits, 0 jobs without an answer" in run.out
    assert "not out of the zip: []" in run.errors
    assert " left" in run.errors


def test_verdicts_on_the_spot_are_the_judge_s_number_for_number(
    kit: Path, answers: Path, judge: Judge, sweep_of_kit: Sweep
) -> None:
    case = case_called(judge, "drums")
    expected = []
    for stage in judge.stages(VARIANT):
        expected += judge.teacher_forced(stage, VARIANT, case)
        expected += judge.pooled(stage, VARIANT, [case])
        expected += [check for drawn in judge.drawn(stage, case, sweep_of_kit) for check in judge.swept(VARIANT, drawn)]
        expected += [judge.determinism(stage, VARIANT, case)]
    assert sorted(on_the_spot(kit, answers), key=str) == sorted(expected, key=str)
    (judged,) = read_answers(answers).journal.of(JUDGED)  # what the other process found
    assert {check["id"]: check for check in judged["checks"]} == {check.id: check.to_json() for check in expected}


def test_a_damaged_file_is_named(damaged: tuple[Path, Run]) -> None:
    _, run = damaged
    assert run.code == EXIT_REFUSE, run.errors
    beyond = [line for line in run.out.splitlines() if line.startswith("beyond its limit")]
    assert beyond
    assert all(line.startswith(f"beyond its limit: bundle {RECIPE}, dit/{VARIANT}/") for line in beyond)
    assert any("denoised_error is" in line and "allowed at most" in line for line in beyond)


def test_a_file_that_cannot_be_opened_is_told_and_the_others_are_judged(kit: Path, tmp_path: Path) -> None:
    def damage(bundle: Path) -> None:
        path = bundle / "dit.tflite"
        path.write_bytes(b"\0" * path.stat().st_size)

    run = run_recorder(changed_kit(kit, tmp_path / "kit", damage, ["conditioner", "dit"]), tmp_path / "answers")
    assert run.code == EXIT_NOT_JUDGED, run.errors
    assert "could not: answers/litert_int8/dit/drums: " in run.out
    assert f"conditioner  {VARIANT}" in run.out


def test_a_recording_that_was_killed_goes_on(kit: Path, answers: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(kit, tmp_path / "answers"), cwd=tmp_path, env=clean_environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    journal = tmp_path / "answers" / JOURNAL
    until = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < until and lines_of(journal) < LINES_BEFORE_KILL:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with journal.open("ab") as stream:
        stream.write(b'0123456789abcdef {"kind": "end", "jo')  # what a full disk or an empty battery leaves
    run = run_recorder(kit, tmp_path / "answers")
    assert run.code == EXIT_OK, run.errors
    assert "jobs were done before" in run.errors
    assert given(read_answers(tmp_path / "answers")) == given(read_answers(answers))


def otherwise(first: Path, second: Path, asked_again: str) -> Path:
    """A recording whose conditioner answered another thing at first than the file does, and that `asked_again` is left of."""
    kept, job = Arrays(folder=first / ARRAYS), f"answers/{VARIANT}/conditioner/drums"

    def change(entry: Entry) -> Entry | None:
        if entry["kind"] == END and entry["job"] == job:
            ((digest, references),) = entry["found"]["answers"]
            moved = kept.of(references["global_cond"])
            moved[0, 0] = np.nextafter(moved[0, 0], np.float32(1))
            return {**entry, "found": {"answers": [[digest, {**references, "global_cond": kept.keep(moved)}]]}}
        return None if str(entry.get("job")).startswith(asked_again) else entry

    return rewritten(first, second, change)


def test_a_stage_that_answers_otherwise_when_it_is_asked_again_is_beyond_its_limit(kit: Path, tmp_path: Path) -> None:
    """Its first answer is another one than the file's, so that the file does not repeat it."""
    small, first = changed_kit(kit, tmp_path / "kit", lambda _: None, ["conditioner"]), tmp_path / "first"
    assert run_recorder(small, first).code == EXIT_OK
    run = run_recorder(small, otherwise(first, tmp_path / "second", "repeat/"))
    assert run.code == EXIT_REFUSE, run.errors
    assert "nondeterministic_values is 2, allowed at most 0 (3 identical invocations must be bit-equal)" in run.out


def test_a_generation_that_asks_the_same_is_compared_too(kit: Path, answers: Path, tmp_path: Path) -> None:
    run = run_recorder(kit, otherwise(copy_of(answers, tmp_path / "first"), tmp_path / "second", "generation/"))
    assert run.code == EXIT_REFUSE, run.errors
    assert "nondeterministic_values is 1, allowed at most 0" in run.out
    found = read_answers(tmp_path / "second")
    assert [found.unequal(VARIANT, "conditioner", threads) for threads in found.plan.threads] == [1, 0]


def test_a_number_that_the_kit_has_no_limit_for_is_told(kit: Path, answers: Path) -> None:
    found = read_answers(answers)
    bare = replace(found, plan=replace(found.plan, checks=[]))
    with pytest.raises(InputError, match=r"the kit has no limit for \w+ of conditioner/litert_int8, asked drums; pack it again"):
        list(OnTheSpot(answers=bare, arrays=read_kit(kit).arrays).verdicts())


def test_a_number_of_all_cases_is_not_told_of_some(kit: Path, answers: Path) -> None:
    found = read_answers(answers)
    more = replace(found, plan=replace(found.plan, cases=[*found.plan.cases, "another"]))
    told = {check.metric for check in OnTheSpot(answers=more, arrays=read_kit(kit).arrays).verdicts()}
    assert {check.metric for check in on_the_spot(kit, answers)} - told == {POOLED}


def lines_of(journal: Path) -> int:
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def one_flipped(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(bytes(data))


def in_an_answer(answers: Path) -> None:
    one_flipped(next(iter(sorted((answers / ARRAYS).iterdir()))), -1)


def in_the_journal(answers: Path) -> None:
    path = answers / JOURNAL
    one_flipped(path, path.stat().st_size // 2)


def a_line_left_out(answers: Path) -> None:
    lines = (answers / JOURNAL).read_bytes().splitlines(keepends=True)
    (answers / JOURNAL).write_bytes(b"".join(lines[:3] + lines[4:]))


FLIPPED: dict[str, tuple[Callable[[Path], None], str]] = {
    "a byte of an answer": (in_an_answer, r"was changed, its SHA-256 is not the one it is called by"),
    "a byte of the journal": (in_the_journal, r"line \d+ was edited, it does not fit its checksum"),
    "a line of the journal": (a_line_left_out, r"line 4 was edited, it does not fit its checksum"),
}


@pytest.mark.parametrize(("change", "sentence"), FLIPPED.values(), ids=FLIPPED)
def test_answers_that_were_edited_are_refused(
    answers: Path, tmp_path: Path, change: Callable[[Path], None], sentence: str
) -> None:
    folder = copy_of(answers, tmp_path / "answers")
    change(folder)
    with pytest.raises(InputError, match=sentence):
        read_answers(folder).require_intact()


def test_a_file_of_the_kit_that_was_changed_is_refused_before_anything_is_recorded(kit: Path, tmp_path: Path) -> None:
    folder = changed_kit(kit, tmp_path / "kit", lambda _: None)
    one_flipped(folder / BUNDLES / RECIPE / "dit.tflite", -1)
    run = run_recorder(folder, tmp_path / "answers")
    assert run.code == EXIT_NOT_JUDGED
    assert run.errors.startswith(f"error: {folder / BUNDLES / RECIPE / 'dit.tflite'}: its SHA-256 is not the one in")
    assert not (tmp_path / "answers").exists()


def test_answers_to_another_kit_are_not_gone_on_with(kit: Path, answers: Path, tmp_path: Path) -> None:
    run = run_recorder(changed_kit(kit, tmp_path / "kit", grown_scales), copy_of(answers, tmp_path / "answers"))
    assert run.code == EXIT_NOT_JUDGED
    assert "holds answers to kit" in run.errors


def test_a_folder_of_something_else_is_left_alone(kit: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "photo").touch()
    run = run_recorder(kit, tmp_path / "mine")
    assert run.code == EXIT_NOT_JUDGED
    assert "holds something else than answers; choose another folder" in run.errors
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["photo"]


def test_models_that_were_left_out_are_found_where_they_are_told(kit: Path, tmp_path: Path) -> None:
    folder = changed_kit(kit, tmp_path / "kit", lambda _: None)
    shutil.move(folder / BUNDLES, tmp_path / "elsewhere")
    told = read_kit(folder, tmp_path / "elsewhere")
    told.require_intact()
    assert told.bundles[RECIPE].path("dit").is_file()
    with pytest.raises(InputError, match=r"dit.tflite: no such file|manifest.json: no such file"):
        read_kit(folder).require_intact()


def test_the_plan_is_beside_the_answers(kit: Path, answers: Path) -> None:
    assert (answers / MANIFEST).read_bytes() == (kit / MANIFEST).read_bytes()
    assert read_answers(answers).missing() == []
