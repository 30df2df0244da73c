"""Answers of devices get the gate's verdict, number for number, and what does not belong together is refused."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from fixtures import TINY_MODEL_DIR
from litert_pipeline.bundle import Bundle, read_bundle
from parity.bundles.files import Files
from parity.device.device import Device, agreement, differences
from parity.device.received import Received, receive
from parity.device.record.answers import read_answers
from parity.device.record.journal import END, JOURNAL, JUDGED, Journal
from parity.device.record.kit import ARRAYS, BUNDLES
from parity.device.record.plan import MANIFEST, id_of, read_plan
from parity.judge.judge import Judge
from parity.judge.plan import Plan
from parity.judge_answers import AnswersOptions, run_judge_answers
from parity.measure.budget import YARDSTICK
from parity.measure.policy_file import chosen_policy
from parity.measure.sweep import Sweep
from parity.measure.verdict import Verdict
from parity.meta_tests.device.kits import CASE, RECIPE, VARIANT, Run, rewritten
from parity.report.report import Report
from parity.test_parity import case_called
from parity.truth.store import Store
from reference.spec.errors import InputError
from reference.spec.stages import DIT

pytestmark = pytest.mark.xdist_group("kit")  # packed once, not once in every process

NEEDS_THE_FILE = {"structure_share", "structure_gain", "structure_lean"}  # of FP16, which would be run in float32


def judged(answers: list[Path], bundles: list[Path], report: Path | None = None) -> Report:
    options = AnswersOptions(
        answers=answers, model=TINY_MODEL_DIR, bundles=bundles, report=report, force=False,
        policy=chosen_policy(None, date(2026, 11, 27), made_here=False),
    )  # fmt: skip
    return run_judge_answers(options, Store.of_user(), lambda _: None, lambda _: None)


@pytest.fixture(scope="module")
def outcome(kit: Path, answers: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    folder = tmp_path_factory.mktemp("judged") / "report"
    return judged([answers], [kit / BUNDLES / RECIPE], folder), folder


@pytest.fixture(scope="module")
def gate(judge: Judge, sweep_of_kit: Sweep) -> list[Verdict]:
    """What the gate says of the bundle itself."""
    plan = Plan.of(judge, [YARDSTICK, VARIANT], [case_called(judge, CASE)], sweep_of_kit)
    return list(plan.checks(lambda _: None))


def test_answers_get_the_verdicts_of_the_gate_number_for_number(outcome: tuple[Report, Path], gate: list[Verdict]) -> None:
    report, _ = outcome
    expected = {check.id: check for check in gate}
    found = {check.id: check for check in report.checks}
    assert {check.metric for check in gate if check.id not in found} <= NEEDS_THE_FILE
    assert found == {name: expected[name] for name in found}
    assert {str(one) for one in report.unseen} == {
        f"{VARIANT}: the graph of its {stage} is not compared with the model's: it cannot be had in float32"
        for stage in ("decoder", "encoder")
    }
    assert report.publish


def test_the_device_is_part_of_the_report(outcome: tuple[Report, Path]) -> None:
    report, folder = outcome
    (device,) = report.devices
    assert any(note.startswith("all ") and "verdicts that were reached on it are these" in note for note in device.notes)
    assert {time.threads for time in device.times} == {1, 2}
    told = json.loads((folder / "report.json").read_text())["devices"][0]["told"]
    assert told["ai-edge-litert"]
    assert device.told["cpu"] in (folder / "report.html").read_text()
    assert device.told["cpu"] in (folder / "parity-card.md").read_text()


def test_what_a_device_refused_the_host_refuses(damaged: tuple[Path, Run], judge: Judge) -> None:
    answers, _ = damaged
    (received,) = receive([answers], [read_bundle(answers.parent / "kit" / BUNDLES / RECIPE)], Files())
    (source,) = received.sources(received.contenders(), Files()).values()
    found = judge.instead(VARIANT, source).teacher_forced(DIT, VARIANT, case_called(judge, CASE))
    (told,) = read_answers(answers).journal.of(JUDGED)
    there = {check["id"]: check for check in told["checks"]}
    assert any(not check.ok for check in found)
    assert all(there[check.id] == check.to_json() for check in found)


def copied(answers: Path, folder: Path) -> Path:
    shutil.copytree(answers, folder)
    return folder


def one_byte(answers: Path, kit: Path) -> None:
    path = answers / JOURNAL
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(bytes(data))


def one_byte_of_an_array(answers: Path, kit: Path) -> None:
    path = max((answers / ARRAYS).iterdir())
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def older(answers: Path, kit: Path) -> None:
    content = json.loads((answers / MANIFEST).read_text()) | {"format": 0}
    (answers / MANIFEST).write_text(json.dumps(content | {"kit_id": id_of(content)}))


def another_kit(answers: Path, kit: Path) -> None:
    content = json.loads((answers / MANIFEST).read_text()) | {"seed": 7}
    (answers / MANIFEST).write_text(json.dumps(content | {"kit_id": id_of(content)}))


def only_a_torn_line(answers: Path, kit: Path) -> None:
    path = answers / JOURNAL
    path.write_bytes(path.read_bytes()[:40])


def no_answers(answers: Path, kit: Path) -> None:
    (answers / JOURNAL).unlink()


REFUSED: Mapping[str, tuple[Callable[[Path, Path], None], str]] = {
    "one flipped byte": (one_byte, r"line \d+ was edited, it does not fit its checksum"),
    "one flipped byte of an array": (one_byte_of_an_array, r"was changed, its SHA-256 is not the one it is called by"),
    "an older kit": (older, r"is of kit format 0, this version reads \d; pack and record again"),
    "another kit's plan": (another_kit, r"line 1 was edited, .* or it was recorded with another kit; record again"),
    "answers that were cut at once": (only_a_torn_line, r"nothing was recorded before it was interrupted; run"),
    "no answers": (no_answers, r"holds no answers; expected the folder that record.pyz wrote"),
}


@pytest.mark.parametrize(("change", "sentence"), REFUSED.values(), ids=REFUSED)
def test_answers_that_are_not_the_kit_s_are_refused(
    kit: Path, answers: Path, bundles: Mapping[str, Bundle], tmp_path: Path, change: Callable[[Path, Path], None], sentence: str
) -> None:
    folder = copied(answers, tmp_path / "answers")
    change(folder, kit)
    with pytest.raises(InputError, match=sentence):
        receive([folder], [bundles[RECIPE]], Files())


def test_answers_of_another_bundle_are_refused(answers: Path, bundles: Mapping[str, Bundle]) -> None:
    with pytest.raises(InputError, match=r"bundle 'int8', whose dit has SHA-256 \w{12}, .*fp32 has \w{12}; give the bundle"):
        receive([answers], [bundles["fp32"]], Files())
    with pytest.raises(InputError, match=r"are to bundle 'int8', which was not given; give it with --bundle"):
        receive([answers], [], Files())
    with pytest.raises(InputError, match=r"fp32: .*has no answers of it; give the bundles that were packed alone"):
        receive([answers], [bundles[RECIPE], bundles["fp32"]], Files())


def test_answers_of_another_model_are_refused(answers: Path, kit: Path, tmp_path: Path) -> None:
    folder = tmp_path / "answers"
    shutil.copytree(answers, folder, ignore=shutil.ignore_patterns(JOURNAL, MANIFEST))
    content = json.loads((answers / MANIFEST).read_text()) | {"model": "0" * 64}
    (folder / MANIFEST).write_text(json.dumps(content | {"kit_id": id_of(content)}))
    journal = Journal.resume(folder / JOURNAL, id_of(content))
    for entry in read_answers(answers).journal.entries:
        journal.append(**entry)
    with pytest.raises(InputError, match=r"was packed for a model whose weights have SHA-256 000000000000"):
        judged([folder], [kit / BUNDLES / RECIPE])


def test_devices_with_answers_to_several_kits_are_refused(
    answers: Path, damaged: tuple[Path, Run], bundles: Mapping[str, Bundle]
) -> None:
    with pytest.raises(InputError, match=r"devices stand side by side with answers to one kit"):
        receive([answers, damaged[0]], [bundles[RECIPE]], Files())


def test_what_a_device_did_not_answer_is_told_and_not_judged(kit: Path, answers: Path, tmp_path: Path) -> None:
    lacking = (f"answers/{VARIANT}/dit/drums", f"generation/{VARIANT}/drums")
    folder = rewritten(answers, tmp_path / "answers", lambda entry: None if entry.get("job") in lacking else entry)
    with pytest.raises(InputError, match=r"nothing can be judged: .* left 2 jobs without an answer: answers/litert_int8/dit"):
        judged([folder], [kit / BUNDLES / RECIPE])


def test_a_recording_is_given_once(answers: Path, bundles: Mapping[str, Bundle]) -> None:
    """Its variants would be called the same, and one of the two would be judged."""
    with pytest.raises(InputError, match=r"is given twice; give each recording once"):
        receive([answers, answers / ".." / answers.name], [bundles[RECIPE]], Files())


def test_a_report_that_is_there_is_not_replaced(kit: Path, answers: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"already exists; choose another path or pass --force"):
        judged([answers], [kit / BUNDLES / RECIPE], tmp_path)


def of_two(answers: Path, bundles: Mapping[str, Bundle], tmp_path: Path) -> list[Received]:
    return receive([answers, copied(answers, tmp_path / "phone")], [bundles[RECIPE]], Files())


def test_several_devices_stand_side_by_side(answers: Path, bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    found = of_two(answers, bundles, tmp_path)
    assert [list(one.contenders()) for one in found] == [[f"{VARIANT}@answers"], [f"{VARIANT}@phone"]]
    contenders = {name: contender for one in found for name, contender in one.contenders().items()}
    sources = [source for one in found for source in one.sources(contenders, Files()).values()]
    assert sources[0].identity("dit") != sources[1].identity("dit")  # be they equal: each device has its own rows


def test_recordings_that_differ_are_told_where(answers: Path, bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    one, other = (received.answers for received in of_two(answers, bundles, tmp_path))
    assert differences(one, other) == []
    entries = [dict(entry) for entry in other.journal.entries]
    for entry in entries:
        if entry.get("job") == f"answers/{VARIANT}/dit/drums" and entry["kind"] == END:
            entry["found"] = {"answers": [[digest, {"velocity": "0"}] for digest, _ in entry["found"]["answers"]]}
    unlike = replace(other, journal=Journal(path=other.journal.path, kit_id=other.kit_id, entries=entries))
    assert differences(one, unlike) == [f"dit/{VARIANT} in 8 of {len(dict(one.references(VARIANT, 'dit')))} calls"]


ROUNDED, WRONG = 1 + 1e-15, 1.01


@pytest.mark.parametrize(("times", "sentence"), [
    (1.0, "number for number"),
    (ROUNDED, "but for rounding, at most"),
    (WRONG, "verdicts that were reached on it are others here: teacher-forced/dit/litert_int8/drums/denoised_error-step0"),
], ids=["equal", "rounded otherwise", "other"])  # fmt: skip
def test_verdicts_of_device_and_host_are_compared(
    outcome: tuple[Report, Path], answers: Path, times: float, sentence: str
) -> None:
    report, _ = outcome
    checks = [
        replace(check, value=times * check.value) if (check.stage, check.metric) == ("dit", "denoised_error") else check
        for check in report.checks
    ]
    assert sentence in agreement(read_answers(answers), checks, {VARIANT: VARIANT})


def test_a_plan_survives_its_file(kit: Path, tmp_path: Path) -> None:
    kit_id, plan = read_plan(kit / MANIFEST)
    (tmp_path / MANIFEST).write_bytes((kit / MANIFEST).read_bytes())
    assert read_plan(tmp_path / MANIFEST) == (kit_id, plan)


def test_notes_are_added() -> None:
    assert Device(name="a", told={}, notes=["one"]).noting(["two"]).notes == ["one", "two"]
