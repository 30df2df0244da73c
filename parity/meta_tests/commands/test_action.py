"""The GitHub Action: its script hands everything to the gate and passes the verdict on."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ACTION = Path(__file__).parents[3] / "action.yml"
INPUTS = {
    "MODEL": "model dir", "REPORT": "report", "POLICY": "my policy.toml", "THREADS": "2", "VARIANTS": "", "CASES": "",
    "REQUIRE_LICENSE": "true",
}  # fmt: skip
STAND_IN = """#!/usr/bin/env bash
printf '%s\\n' "$@" > arguments
mkdir -p report
echo "# Parity" > report/parity-card.md
exit "$WANTED_CODE"
"""


def judging_step() -> dict[str, Any]:
    steps = yaml.safe_load(ACTION.read_text(encoding="utf-8"))["runs"]["steps"]
    found: dict[str, Any] = next(step for step in steps if step.get("id") == "gate")
    return found


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
    assert (tmp_path / "summary").read_text() == "# Parity\n"


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


def test_the_report_has_a_folder_of_its_own_where_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "runner").mkdir()
    run_step(tmp_path, 0, BUNDLE="bundle", REPORT="", RUNNER_TEMP="runner")
    assert "runner/parity-report" in (tmp_path / "arguments").read_text().splitlines()
    assert "report=runner/parity-report" in (tmp_path / "output").read_text().splitlines()


def test_every_input_is_handed_to_the_script() -> None:
    """None is written into the script itself, where it would be code."""
    content = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    handed = {value for value in judging_step()["env"].values() if value.startswith("${{ inputs.")}
    assert handed == {f"${{{{ inputs.{name} }}}}" for name in content["inputs"]}
    assert "${{" not in judging_step()["run"]
