"""The GitHub Action: its script hands everything to the gate and passes the verdict on."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from parity.truth.store import Store

ACTION = Path(__file__).parents[3] / "action.yml"
INPUTS = {
    "MODEL": "model dir", "REPORT": "report", "POLICY": "my policy.toml", "THREADS": "2", "VARIANTS": "", "CASES": "",
    "REQUIRE_LICENSE": "true",
}  # fmt: skip
STAND_IN = """#!/usr/bin/env bash
if [ "$3" = annotations ]; then echo "::error file=int8/dit.tflite::too far"; exit "${WANTED_OF_ANNOTATIONS:-0}"; fi
printf '%s\\n' "$@" > arguments
if [ "${WANTED_REPORT:-new}" = none ]; then exit "$WANTED_CODE"; fi
mkdir -p report
printf -- '---\\nlicense: other\\n---\\n# Parity\\n\\n| a |\\n| --- |\\n\\n---\\n\\nend\\n' > report/parity-card.md
exit "$WANTED_CODE"
"""
SUMMARY = "# Parity\n\n| a |\n| --- |\n\n---\n\nend\n"


def steps() -> list[dict[str, Any]]:
    return list(yaml.safe_load(ACTION.read_text(encoding="utf-8"))["runs"]["steps"])


def judging_step() -> dict[str, Any]:
    return next(step for step in steps() if step.get("id") == "gate")


def run_step(folder: Path, code: int, **inputs: str) -> subprocess.CompletedProcess[str]:
    """The script of the judging step beside a gate that notes what it is asked and answers `code`."""
    python = folder / "gate" / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(STAND_IN)
    python.chmod(0o755)
    own = {"GATE": str(folder / "gate"), "GITHUB_OUTPUT": "output", "GITHUB_STEP_SUMMARY": "summary"}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", judging_step()["run"]]
    environment = {**os.environ, **INPUTS, **own, **inputs, "WANTED_CODE": str(code)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("code", "verdict"), [(0, "publish"), (1, "refuse"), *((code, "error") for code in (2, 3, 120, 127, 130, 137, 255))]
)
def test_the_verdict_is_the_gate_s(tmp_path: Path, code: int, verdict: str) -> None:
    done = run_step(tmp_path, code, BUNDLE="bundle")
    assert done.returncode == code, done.stderr
    assert (tmp_path / "output").read_text().splitlines() == [f"verdict={verdict}", "report=report"]
    assert (tmp_path / "summary").read_text() == SUMMARY
    assert "::error file=int8/dit.tflite::too far" in done.stdout.splitlines()


OLD = "---\nlicense: other\n---\n# Parity: PUBLISH\n"


def earlier(folder: Path, card: str) -> Path:
    """A report that lies there from before."""
    (folder / "report").mkdir()
    (folder / "report" / "parity-card.md").write_text(card)
    return folder


@pytest.mark.parametrize("there", [True, False], ids=["an earlier report", "no report"])
@pytest.mark.parametrize("code", [2, 130, 137])
def test_a_run_that_judged_nothing_shows_no_report(tmp_path: Path, code: int, there: bool) -> None:
    """As the second use in a job: what lies there is of another bundle. An output that is empty uploads nothing."""
    done = run_step(earlier(tmp_path, OLD) if there else tmp_path, code, BUNDLE="bundle", WANTED_REPORT="none")
    assert done.returncode == code
    assert (tmp_path / "output").read_text() == "verdict=error\n"
    assert not (tmp_path / "summary").exists()
    assert done.stdout == ""


@pytest.mark.parametrize("before", [OLD, "---\nlicense: other\n---\n" + SUMMARY], ids=["another", "the same"])
@pytest.mark.parametrize("code", [0, 1])
def test_a_verdict_is_shown_whatever_lay_there(tmp_path: Path, code: int, before: str) -> None:
    run_step(earlier(tmp_path, before), code, BUNDLE="bundle")
    assert (tmp_path / "summary").read_text() == SUMMARY
    assert "report=report" in (tmp_path / "output").read_text().splitlines()


def test_a_report_of_this_run_is_shown_though_it_ends_as_an_error(tmp_path: Path) -> None:
    """One of the bundles was not judged; what was found of the others is there."""
    run_step(earlier(tmp_path, OLD), 2, BUNDLE="bundle")
    assert (tmp_path / "summary").read_text() == SUMMARY
    assert (tmp_path / "output").read_text().splitlines() == ["verdict=error", "report=report"]


def test_inputs_reach_the_gate_as_they_are(tmp_path: Path) -> None:
    """Spaces and what a shell would run included."""
    run_step(tmp_path, 0, BUNDLE="one bundle\n$(touch hacked)\n", VARIANTS="litert_int8", CASES="drums,empty")
    words = (tmp_path / "arguments").read_text().splitlines()
    assert words == [
        "-m", "parity", "gate", "--model", "model dir", "--report", "report", "--policy", "my policy.toml",
        "--threads", "2", "--force",
        "--bundle", "one bundle", "--bundle", "$(touch hacked)", "--variants", "litert_int8", "--cases", "drums,empty",
        "--require-license",
    ]  # fmt: skip
    assert not (tmp_path / "hacked").exists()


NOT_MEANT = {
    "no model": ({"MODEL": ""}, "input 'model' is empty"),
    "no bundle": ({"BUNDLE": ""}, "input 'bundle' names no folder"),
    "lines without a bundle": ({"BUNDLE": "\n  \n\r\n\t\n \t \r\n"}, "input 'bundle' names no folder"),
    "a command behind a line": (
        {"REQUIRE_LICENSE": "100 %\r\n::warning::x"},
        "input 'require-license' is '100 %25%0D%0A::warning::x'; expected 'true' or 'false'\n",
    ),
    "neither true nor false": ({"REQUIRE_LICENSE": "yes"}, "input 'require-license' is 'yes'; expected 'true' or 'false'"),
    "nothing about the licence": ({"REQUIRE_LICENSE": ""}, "input 'require-license' is ''"),
    "two reports": ({"REPORT": "report\nverdict=publish"}, "input 'report' has several lines"),
}


@pytest.mark.parametrize(("inputs", "words"), NOT_MEANT.values(), ids=NOT_MEANT)
def test_inputs_that_nobody_meant_are_an_error_before_any_work(tmp_path: Path, inputs: dict[str, str], words: str) -> None:
    done = run_step(tmp_path, 0, **{"BUNDLE": "bundle", **inputs})
    assert done.returncode == 2
    assert done.stdout.startswith(f"::error::parity: {words}")
    assert (tmp_path / "output").read_text() == "verdict=error\n"
    assert not (tmp_path / "arguments").exists()


def test_what_is_left_empty_is_what_is_left_out(tmp_path: Path) -> None:
    run_step(tmp_path, 0, BUNDLE=" \ta b\t \r\n\r\n\t\n c\r\n", POLICY="", THREADS="", REQUIRE_LICENSE="False")
    words = (tmp_path / "arguments").read_text().splitlines()
    assert words == [
        "-m", "parity", "gate", "--model", "model dir", "--report", "report", "--policy", "publish", "--threads", "2", "--force",
        "--bundle", "a b", "--bundle", "c",
    ]  # fmt: skip


def test_the_report_has_a_folder_of_its_own_where_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "runner").mkdir()
    run_step(tmp_path, 0, BUNDLE="bundle", REPORT="", RUNNER_TEMP="runner")
    assert "runner/parity-report" in (tmp_path / "arguments").read_text().splitlines()
    assert "report=runner/parity-report" in (tmp_path / "output").read_text().splitlines()


def test_every_input_is_handed_to_the_script() -> None:
    """None is written into the script itself, where it would be code."""
    content = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    handed = {value for value in judging_step()["env"].values() if value.startswith("${{ inputs.")}
    assert handed == {f"${{{{ inputs.{name} }}}}" for name in content["inputs"] if name != "artifact"}
    assert [step["name"] for step in steps() if "${{" in step.get("run", "")] == []


def test_a_verdict_stands_where_the_files_at_fault_cannot_be_told(tmp_path: Path) -> None:
    assert run_step(tmp_path, 1, BUNDLE="bundle", WANTED_OF_ANNOTATIONS="2").returncode == 1


def used(action: str) -> list[dict[str, Any]]:
    return [step for step in steps() if step.get("uses", "").startswith(f"actions/{action}@")]


def test_what_is_kept_is_what_was_looked_for() -> None:
    """The caches are kept by steps of their own: one at the end of the job would keep nothing of a job that is refused."""
    assert used("cache") == []
    assert [step["with"]["path"] for step in used("cache/save")] == [step["with"]["path"] for step in used("cache/restore")]
    keys = [f"${{{{ steps.{step['id']}.outputs.cache-primary-key }}}}" for step in used("cache/restore")]
    assert [step["with"]["key"] for step in used("cache/save")] == keys
    assert used("cache/save")[-1]["if"] == "${{ !cancelled() }}"


def test_the_truth_is_kept_where_the_gate_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    kept = [Path(line).expanduser() for line in used("cache/restore")[-1]["with"]["path"].split()]
    assert Store.of_user().folder in kept


def test_what_is_installed_is_named_by_its_pins(tmp_path: Path) -> None:
    """Another line in either file gives another name, so that nothing stale is used."""
    script = next(step for step in steps() if step.get("id") == "pins")["run"].replace("python ", f"{sys.executable} ", 1)
    pinned = [("a", "a"), ("b", "a"), ("a", "b")]
    names = set()
    for number, pins in enumerate(pinned):
        for name, text in zip(("requirements.lock", "pyproject.toml"), pins, strict=True):
            (tmp_path / name).write_text(text)
        command, output = ["bash", "-e", "-c", script], tmp_path / f"output-{number}"
        subprocess.run(command, cwd=tmp_path, env={**os.environ, "GITHUB_OUTPUT": str(output)}, check=True)
        names.add(output.read_text())
    assert len(names) == len(pinned)
    assert all(name.startswith("hash=") for name in names)


def test_the_report_is_uploaded_whatever_the_verdict() -> None:
    (step,) = used("upload-artifact")
    assert "!cancelled()" in step["if"]
    assert "steps.gate.outputs.report != ''" in step["if"]
    assert step["with"]["path"] == "${{ steps.gate.outputs.report }}"
