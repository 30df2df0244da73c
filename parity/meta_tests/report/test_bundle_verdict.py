"""Every bundle of a run has its own verdict, and the table, the page, the card and report.json all give it."""

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from parity.judge.left_out import LeftOut
from parity.measure.arithmetic import ALL_AT_LOAD
from parity.measure.policy import Exemption, Policy
from parity.measure.policy_file import read_policy
from parity.measure.verdict import FREE_RUNNING, Verdict
from parity.meta_tests.report.sample import ARITHMETIC, BUNDLE, CHECK, OWN, sample
from parity.report.bundle_verdict import NOT_JUDGED, PUBLISH, REFUSE, JudgedBundle, Shared, bundle_verdict
from parity.report.folder import write_report
from parity.report.report import Report, require_all_judged, require_no_idle_exemption
from parity.report.terminal import show
from reference.spec.errors import InputError

OTHER = JudgedBundle(path="out/fp32", name="fp32", variants=["litert_fp32"])
OF_OTHER = replace(CHECK, variant="litert_fp32")
NEAR, FAR = replace(CHECK, value=0.05, low_limit=0.0), replace(CHECK, value=0.2, low_limit=0.0)  # of 0.10 that is asked for
TODAY = date(2026, 11, 26)
SHARED = Shared(variant="litert_int8", stage="dit", judged_as="litert_fp32")


def failing(check: Verdict) -> Verdict:
    return replace(check, value=2.0)


# what happened: the checks, what is shared, who is left out, the verdict of BUNDLE
RUNS = {
    "all of its checks hold": ([OWN, CHECK], [], [], PUBLISH),
    "a check of a variant fails": ([OWN, failing(CHECK)], [], [], REFUSE),
    "a check of its files fails": ([failing(OWN), CHECK], [], [], REFUSE),
    "a value is not a number": ([OWN, replace(CHECK, value=float("nan"))], [], [], REFUSE),
    "nothing was measured": ([OF_OTHER], [], [], REFUSE),
    "another bundle fails": ([OWN, CHECK, failing(OF_OTHER)], [], [], PUBLISH),
    "the yardstick fails": ([OWN, CHECK, failing(replace(CHECK, variant="torch_fp32"))], [], [], PUBLISH),
    "a file it shares fails": ([OWN, failing(OF_OTHER)], [SHARED], [], REFUSE),
    "a file it shares holds": ([OWN, OF_OTHER], [SHARED], [], PUBLISH),
    "another stage of whom it shares with": ([OWN, OF_OTHER, failing(replace(OF_OTHER, stage="decoder"))], [SHARED], [], PUBLISH),
    "whom it shares with drifts": ([OWN, OF_OTHER, failing(replace(OF_OTHER, ladder=FREE_RUNNING))], [SHARED], [], PUBLISH),
    "the machine cannot run it": ([OF_OTHER], [], ["litert_int8"], NOT_JUDGED),
}  # fmt: skip


@pytest.mark.parametrize("happened", RUNS)
def test_the_verdict_of_a_bundle(happened: str) -> None:
    checks, shared, left_out, verdict = RUNS[happened]
    found = bundle_verdict(BUNDLE, checks, shared, left_out)
    assert found.verdict == verdict
    assert bool(found.why) == (verdict != PUBLISH)
    assert (found.failed > 0) == (happened != "nothing was measured" and verdict == REFUSE)


@pytest.fixture
def report() -> Report:
    """One bundle is published, one refused, one cannot be judged here."""
    unable = JudgedBundle(path="out/onnx_int8", name="onnx_int8", variants=["onnx_int8"])
    left_out = [LeftOut(variant="onnx_int8", why="this machine cannot run it right: its sums are wrong")]
    checks: Sequence[Verdict] = [OWN, CHECK, failing(OF_OTHER)]
    return sample(checks=checks, bundles=[BUNDLE, OTHER, unable], left_out=left_out)


def test_a_run_with_a_refused_bundle_is_refused(report: Report) -> None:
    assert not report.publish


def test_a_bundle_that_was_asked_for_and_not_judged_is_an_error(report: Report) -> None:
    with pytest.raises(InputError, match=r"out/onnx_int8 .* judge it on another machine"):
        require_all_judged(report)
    require_all_judged(replace(report, left_out=[]))


def test_the_terminal_says_it_for_each(report: Report) -> None:
    console = Console(file=io.StringIO(), width=200)
    show(report, console)
    lines = console.file.getvalue().splitlines()
    assert "PUBLISH out/int8 (int8): faithful; 2 checks, 0 failed" in lines
    assert any(line.startswith("REFUSE out/fp32 (fp32): dit/litert_fp32/drums step 3") for line in lines)
    assert "NOT JUDGED out/onnx_int8 (onnx_int8): this machine runs none of onnx_int8 right" in lines
    assert lines[-1] == "REFUSE: 3 checks, 1 failed"


def test_the_files_say_it_for_each(report: Report, tmp_path: Path) -> None:
    write_report(report, tmp_path)
    bundles = json.loads((tmp_path / "report.json").read_text())["bundles"]
    assert {bundle["path"]: bundle["verdict"] for bundle in bundles} == {
        "out/int8": PUBLISH, "out/fp32": REFUSE, "out/onnx_int8": NOT_JUDGED,
    }  # fmt: skip
    assert [bundle["contenders"] for bundle in bundles] == [["litert_int8"], ["litert_fp32"], ["onnx_int8"]]
    assert bundles[1]["why"] == str(failing(OF_OTHER))
    card = (tmp_path / "parity-card.md").read_text()
    page = (tmp_path / "report.html").read_text()
    for bundle in bundles:
        assert f"| `{Path(bundle['path']).name}` | **{bundle['verdict'].upper()}** |" in card
        assert bundle["path"] not in card
        assert bundle["path"] in page
        assert f">{bundle['verdict'].upper()}</td>" in page


@pytest.fixture
def publish() -> Policy:
    return read_policy("publish", TODAY)


# what was measured, what is shared, and the two answers
ANSWERS = {
    "near": ([OWN, NEAR], [], "faithful, close enough"),
    "far": ([OWN, FAR], [], "faithful, not close enough"),
    "near and wrong": ([failing(OWN), NEAR], [], "not faithful, close enough"),
    "far and wrong": ([failing(OWN), FAR], [], "not faithful, not close enough"),
    "another bundle is far": ([OWN, NEAR, replace(FAR, variant="litert_fp32")], [], "faithful, close enough"),
    "a file it shares is far": ([OWN, replace(FAR, variant="litert_fp32")], [SHARED], "faithful, not close enough"),
}  # fmt: skip


@pytest.mark.parametrize("measured", ANSWERS)
def test_the_two_answers_of_a_bundle(publish: Policy, measured: str) -> None:
    checks, shared, answers = ANSWERS[measured]
    found = bundle_verdict(BUNDLE, checks, shared, [], publish)
    assert found.answers == answers
    assert found.verdict == (PUBLISH if answers == "faithful, close enough" else REFUSE)
    assert ("not close enough: dit_denoised_error is 0.2" in found.why) == (answers == "faithful, not close enough")


def test_what_was_not_judged_is_no_distance_away(publish: Policy) -> None:
    """Its files may be another bundle's, judged elsewhere."""
    found = bundle_verdict(BUNDLE, [OWN, FAR], [SHARED], ["litert_int8"], publish)
    assert (found.verdict, found.answers, list(found.close)) == (NOT_JUDGED, NOT_JUDGED, [])


def test_the_two_answers_are_told_everywhere(publish: Policy, tmp_path: Path) -> None:
    report = sample(checks=[OWN, FAR], policy=publish)
    assert not report.publish
    write_report(report, tmp_path)
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["verdict"] == REFUSE
    assert content["policy"] == {"name": "publish", "about": publish.about, "sha256": publish.sha256}
    (bundle,) = content["bundles"]
    assert (bundle["faithful"], bundle["close_enough"], bundle["verdict"]) == (True, False, REFUSE)
    (distance,) = bundle["distances"]
    assert (distance["value"], distance["bar"], distance["check"]) == (FAR.value, "at most 0.10", FAR.id)
    card = (tmp_path / "parity-card.md").read_text()
    assert "| `int8` | dit_denoised_error | 0.2 | litert_int8, drums step 3 | at most 0.10 | **FAIL**, 2 times less |" in card
    page = (tmp_path / "report.html").read_text()
    assert all(words in page for words in ("Close enough?", "at most 0.10", "2 times less", publish.sha256))
    assert page.index(">yes</td>") < page.index(">no</td>")
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    (failure,) = [case for case in suite if case.find("failure") is not None]
    assert (failure.attrib["classname"], failure.attrib["name"]) == ("close enough", "int8/dit_denoised_error")
    console = Console(file=io.StringIO(), width=200)
    show(report, console)
    told = console.file.getvalue()
    assert f"policy publish: {publish.about}" in told
    assert "REFUSE out/int8 (int8): faithful, but not close enough: dit_denoised_error is 0.2" in told
    assert told.splitlines()[-1] == "REFUSE: 2 checks, 0 failed, 1 bundle not close enough"


def test_an_exemption_nobody_needs_is_an_error(publish: Policy) -> None:
    (bar,) = [bar for bar in publish.bars if bar.distance.name == "dit_denoised_error"]
    exemption = Exemption(bundle="int8", bar=replace(bar, text="0.3"), owner="the audio team", until=TODAY)
    policy = replace(publish, exemptions=(exemption,))
    assert sample(checks=[OWN, FAR], policy=policy).publish
    require_no_idle_exemption(sample(checks=[OWN, FAR], policy=policy))
    with pytest.raises(InputError, match="int8 needs no exemption from dit_denoised_error"):
        require_no_idle_exemption(sample(checks=[OWN, NEAR], policy=policy))


def test_a_file_judged_under_another_name_is_said_to_be(report: Report, tmp_path: Path) -> None:
    shared = replace(report, shared=[SHARED], checks=[OWN, OF_OTHER, replace(CHECK, stage="decoder")])
    console = Console(file=io.StringIO(), width=200)
    show(shared, console)
    assert "same file dit of litert_int8: judged as litert_fp32's" in console.file.getvalue()
    write_report(shared, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["shared"] == [
        {"variant": "litert_int8", "stage": "dit", "judged_as": "litert_fp32"}
    ]


def test_the_same_bytes_in_two_bundles_are_one_row() -> None:
    (entry,) = sample().artifacts
    report = sample(artifacts=[entry, replace(entry, path="fp32/dit.tflite"), replace(entry, path="o", sha256="cd")])
    assert [[file.path for file in same] for same in report.files()] == [["int8/dit.tflite", "fp32/dit.tflite"], ["o"]]


ROUNDED = replace(BUNDLE, arithmetic=[replace(ARITHMETIC, loaded=ALL_AT_LOAD)])


@pytest.mark.parametrize(("name", "verdict"), [("publish", PUBLISH), ("transparent", REFUSE)])
def test_weights_that_a_loader_rounded_are_named_and_may_be_refused(name: str, verdict: str, tmp_path: Path) -> None:
    near = replace(NEAR, value=0.001)
    report = sample(checks=[OWN, near], bundles=[ROUNDED], policy=read_policy(name, TODAY))
    (found,) = report.verdicts()
    assert (found.verdict, found.faithful) == (verdict, True)
    write_report(report, tmp_path)
    (bundle,) = json.loads((tmp_path / "report.json").read_text())["bundles"]
    assert bundle["arithmetic"][0]["loaded"] == ALL_AT_LOAD
    assert [(one["how"], one["stages"], one["ok"]) for one in bundle["loaded"]] == [(ALL_AT_LOAD, ["dit"], verdict == PUBLISH)]
    console = Console(file=io.StringIO(), width=300)
    show(report, console)
    told = f"{ALL_AT_LOAD} (dit), which is {'' if verdict == PUBLISH else 'not '}accepted ("
    for text in (console.file.getvalue(), (tmp_path / "report.html").read_text(), (tmp_path / "parity-card.md").read_text()):
        assert told in text
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    failures = [case.attrib["name"] for case in suite if case.find("failure") is not None]
    assert failures == ([] if verdict == PUBLISH else [f"int8/{ALL_AT_LOAD}"])
