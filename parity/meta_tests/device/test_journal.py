"""What a journal makes of an end in the middle, and of what brings a process down."""

import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import NoReturn

import pytest

from parity.device.record.alone import Crashed, alone
from parity.device.record.answers import begin_answers
from parity.device.record.jobs import Job
from parity.device.record.journal import BEGIN, CRASHES, END, JOURNAL, Journal
from parity.device.record.kit import Kit
from parity.device.record.open_part import Unreachable
from parity.device.record.plan import MANIFEST, Plan, write_plan
from parity.device.record.recorder import work
from reference.spec.errors import InputError

VARIANT = "litert_int8"
EMPTY = Plan(
    model="", objective="", threads=[1], repeats=2, rounds=1, draws=None, seed=0, cases=[], variants=[], questions=[], rights=[],
    checks=[], generations=[], hashes={}, files={},
)  # fmt: skip


def test_a_job_that_brings_the_process_down_twice_is_not_tried_again(tmp_path: Path) -> None:
    journal = Journal.resume(tmp_path / JOURNAL, "kit")
    for _ in range(CRASHES - 1):
        journal.append(BEGIN, job="answers/a/dit/drums")
    assert journal.faults == {}
    journal.append(BEGIN, job="answers/a/dit/drums")
    assert list(Journal.resume(tmp_path / JOURNAL, "kit").faults) == ["answers/a/dit/drums"]
    journal.append(END, job="answers/a/dit/drums", found={})
    assert journal.faults == {}


def test_what_a_kill_left_while_the_manifest_was_copied_is_not_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "kit").mkdir()
    kit_id = write_plan(EMPTY, tmp_path / "kit")
    left = tmp_path / "answers" / f".{MANIFEST}.k1ll3d.json"
    left.parent.mkdir()
    left.write_text("{")
    begin_answers(Kit(folder=tmp_path / "kit", id=kit_id, plan=EMPTY, models=tmp_path), tmp_path / "answers")
    assert [path.name for path in (tmp_path / "answers").iterdir()] == [MANIFEST]


def test_what_found_nothing_is_tried_again_and_counts_no_more_once_it_does(tmp_path: Path) -> None:
    """A cable is put back, an array is copied after all."""
    there: list[dict[str, int]] = []

    def run() -> dict[str, int]:
        if not there:
            raise InputError("adb push ended with 1")
        return there[0]

    jobs = [Job(name="answers/a/dit/drums", run=run, calls={"a/dit": 8})]
    for _ in range(CRASHES + 1):
        work(jobs, Journal.resume(tmp_path / JOURNAL, "kit"), lambda _: None)
    journal = Journal.resume(tmp_path / JOURNAL, "kit")
    assert journal.faults == {"answers/a/dit/drums": "adb push ended with 1"}, "and no crash"
    there.append({"times": 1})
    work(jobs, journal, lambda _: None)
    assert (journal.ended, journal.faults) == ({"answers/a/dit/drums": {"times": 1}}, {})


def test_who_cannot_be_reached_is_asked_nothing_more(tmp_path: Path) -> None:
    def away() -> NoReturn:
        raise Unreachable("adb push ended with 1 and said: no devices")

    jobs = [Job(name=name, run=away) for name in ("one", "two")]
    journal = Journal.resume(tmp_path / JOURNAL, "kit")
    with pytest.raises(Unreachable):
        work(jobs, journal, lambda _: None)
    assert list(journal.faults) == ["one"]


def test_what_was_answered_and_lost_is_asked_again(tmp_path: Path) -> None:
    journal, asked = Journal.resume(tmp_path / JOURNAL, "kit"), Counter[str]()

    def job(name: str) -> Job:
        return Job(name=name, run=lambda: {"times": asked.update([name])})

    work([job("one"), job("two")], journal, lambda _: None)
    work([job("one"), job("two")], journal, lambda _: None, lost={"two"})
    assert asked == {"one": 1, "two": 2}


def crashing() -> NoReturn:
    raise Crashed("a/dit: crashed, LiteRT ended its process with an illegal instruction")


def test_a_stage_that_crashes_is_not_asked_again_and_the_others_are(tmp_path: Path) -> None:
    jobs = [
        Job(name="alone/a/dit", run=crashing, calls={"a/dit": 1}),
        Job(name="answers/a/dit/drums", run=crashing, calls={"a/dit": 8}),
        Job(name="answers/a/decoder/drums", run=dict, calls={"a/decoder": 1}),
    ]
    work(jobs, Journal.resume(tmp_path / JOURNAL, "kit"), lambda _: None)
    journal = Journal.resume(tmp_path / JOURNAL, "kit")
    assert list(journal.ended) == ["answers/a/decoder/drums"]
    assert journal.faults["answers/a/dit/drums"] == "not run: a/dit crashed before"
    assert journal.crashed == {"alone/a/dit"}


def test_a_stage_that_brought_the_recorder_down_twice_is_not_asked_again(tmp_path: Path) -> None:
    journal = Journal.resume(tmp_path / JOURNAL, "kit")
    for _ in range(CRASHES):
        journal.append(BEGIN, job="answers/a/dit/drums")
    jobs = [Job(name=f"answers/a/dit/{question}", run=crashing, calls={"a/dit": 8}) for question in ("drums", "drawn 0")]
    work(jobs, journal, lambda _: None)
    assert journal.faults["answers/a/dit/drums"].startswith("crashed: ")
    assert journal.faults["answers/a/dit/drawn 0"] == "not run: a/dit crashed before"


@pytest.mark.parametrize(("number", "words"), [
    (signal.SIGILL, "an illegal instruction: one that this CPU does not have"),
    (signal.SIGSEGV, "SIGSEGV"),
])  # fmt: skip
def test_a_signal_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, words: str
) -> None:
    """The recorder that is started is a program that ends itself so."""
    (tmp_path / "record.pyz").write_text(f"import os, signal\nos.kill(os.getpid(), {int(number)})\n")
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "record.pyz")])
    with pytest.raises(Crashed, match=f"litert_int8/dit: crashed, LiteRT ended its process with {words}"):
        alone(Kit(folder=tmp_path, id="", plan=EMPTY, models=tmp_path), VARIANT, "dit")


def test_a_journal_of_another_kit_is_not_read(tmp_path: Path) -> None:
    Journal.resume(tmp_path / JOURNAL, "kit").append(BEGIN, job="one")
    with pytest.raises(InputError, match=r"line 1 was edited, .* or it was recorded with another kit"):
        Journal.read(tmp_path / JOURNAL, "other")


@pytest.mark.parametrize("line", [b"\xff", b"no-space"], ids=["no text", "no checksum"])
def test_a_line_of_anything_else_is_refused(tmp_path: Path, line: bytes) -> None:
    (tmp_path / JOURNAL).write_bytes(line + b"\n")
    with pytest.raises(InputError, match=r"line 1 was edited, it does not fit its checksum"):
        Journal.read(tmp_path / JOURNAL, "kit")


def test_what_no_reader_of_json_takes_is_not_written(tmp_path: Path) -> None:
    journal = Journal.resume(tmp_path / JOURNAL, "kit")
    with pytest.raises(ValueError, match="Out of range float values"):
        journal.append(END, job="one", found={"seconds": float("nan")})
    journal.append(BEGIN, job="two")  # and the checksums go on as if nothing had been tried
    assert [entry["job"] for entry in Journal.read(tmp_path / JOURNAL, "kit")[0].entries] == ["two"]


def test_a_line_is_on_the_disk_before_work_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append((tmp_path / JOURNAL).read_bytes()))
    Journal.resume(tmp_path / JOURNAL, "kit").append(BEGIN, job="one")
    assert synced == [(tmp_path / JOURNAL).read_bytes()]
