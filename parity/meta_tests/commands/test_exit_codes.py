"""No verb of any command line takes an unforeseen exception for a refusal: exit code 1 is a verdict."""

import shutil
import sys
import tempfile
from datetime import date
from errno import EACCES
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest
from typer import Typer
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

import fixtures.__main__
import litert_pipeline.__main__
import parity.__main__
import parity.arm.__main__
import reference.__main__
from parity.arm.matrix import Matrix
from parity.measure.policy_file import read_policy
from parity.meta_tests.docs import SCRIPTS
from reference.command_line import command_line
from reference.spec.errors import InputError
from reference.spec.noise import MOST_SEED

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[3]
APPS: dict[str, Typer] = {
    "parity": parity.__main__.app,
    "litert_pipeline": litert_pipeline.__main__.app,
    "reference": reference.__main__.app,
    "fixtures": fixtures.__main__.app,
}
CHECKED = "reference.command.GenerateOptions.checked"
# (app, verb): the least arguments it takes, and what of its work is made to fail
VERBS = {
    ("parity", "gate"): ([], "parity.gate.run_gate"),
    ("parity", "card"): (["r"], "parity.commands.card._read"),
    ("parity", "annotations"): (["r"], "parity.report.annotations.annotations"),
    ("parity", "soak"): ([], "parity.soak_mixes.soak_mixes"),
    ("parity", "contents"): (["b"], "parity.commands.contents._read"),
    ("parity", "localize"): (["--bundle", "b", "--stage", "dit"], "parity.explain.inside.search.look_inside"),
    ("parity", "sensitivity"): ([], "parity.search.session.session"),
    ("parity", "search"): ([], "parity.search.session.session"),
    ("parity", "faults"): ([], "parity.faults.run.run_faults"),
    ("parity", "headroom"): (["r"], "parity.report.headroom.read_report"),
    ("parity", "goldens"): (["--out", "g"], "parity.truth.goldens.record"),
    ("parity", "headline"): (["--bundle", "b", "--report", "r"], "parity.latency.headline.run_headline"),
    ("parity", "bench-report"): (["f"], "parity.latency.tool_log.read_any"),
    ("parity", "pack"): (["--bundle", "b", "--out", "o"], "parity.device.pack.pack"),
    ("parity", "judge"): (["--answers", "a"], "parity.judge_answers.run_judge_answers"),
    ("parity", "describe"): (["--bundle", "b", "--out", "o"], "parity.bundles.given.given_bundles"),
    ("parity", "record-android"): (["--kit", "k", "--tool", "t", "--out", "o"], "parity.device.record.kit.read_kit"),
    ("parity", "codec"): (["--model", "m", "--bundle", "b"], "parity.latency.codec.measure_codec"),
    ("parity", "contract"): (["--bundle", "b"], "parity.device.contract.contract"),
    ("parity", "verify-wav"): (["w", "--prompt", "p", "--seed", "0"], "parity.device.verify.verify"),
    ("litert_pipeline", "convert"): (["--out", "o"], "litert_pipeline.build.convert.convert"),
    ("litert_pipeline", "quantize"): (["b", "--recipe", "int8", "--out", "o"], "litert_pipeline.build.quantize.quantize"),
    ("litert_pipeline", "generate"): (["p", "--bundle", "b", "--out", "o"], CHECKED),
    ("reference", "generate"): (["p", "--out", "o"], CHECKED),
    ("fixtures", "make-model"): (["--out", "o"], "fixtures.__main__.make_model"),
    ("fixtures", "make-peer"): (["--model", "m", "--out", "o"], "fixtures.peers.mlx_audiogen.write"),
    ("fixtures", "make-kernel-files"): ([], "fixtures.kernel_files.write_kernel_files"),
    ("fixtures", "make-sounds"): (["--out", "o"], "fixtures.__main__.write_sounds"),
    ("fixtures", "draw-sounds"): (["w", "--out", "o"], "fixtures.sounds.picture.draw_sounds"),
    ("fixtures", "train"): (["--out", "o"], "fixtures.train.run.train"),
}


@pytest.mark.parametrize(("started", "offered"), [("/bin/stable-audio-toy", True), ("/parity/__main__.py", False), ("-m", False)])
def test_only_a_name_of_its_own_can_be_completed(started: str, offered: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [started])
    toy = command_line(about="A toy.", at_fault="the toy", commands={"toy": lambda: None})
    assert ("--install-completion" in CliRunner().invoke(toy, ["--help"]).output) == offered


def options_of(app: str, verb: str) -> list[str]:
    command = get_command(APPS[app])
    assert isinstance(command, TyperGroup)
    return [name for option in command.commands[verb].params for name in option.opts]


def broken(*args: object, **kwargs: object) -> NoReturn:
    raise KeyError("encoder")


def test_the_console_scripts_are_the_same_command_lines() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    found = {script: EntryPoint(script, where, "console_scripts").load() for script, where in declared.items()}
    assert found == {script: APPS[name] for script, name in SCRIPTS.items()}


def test_every_verb_is_in_the_table() -> None:
    there = {(name, command.name) for name, app in APPS.items() for command in app.registered_commands}
    assert there == set(VERBS)


@pytest.mark.parametrize(("app", "verb"), VERBS, ids=" ".join)
def test_a_fault_of_ours_is_no_verdict(
    app: str, verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, work = VERBS[app, verb]
    monkeypatch.setattr(work, broken)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(APPS[app], [verb, *arguments])
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: this is a fault of ")
    assert "KeyError: 'encoder'" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("app", "verb"), [("parity", "gate"), ("parity", "verify-wav"), ("litert_pipeline", "generate")])
def test_more_threads_than_a_runtime_survives_are_bad_input(app: str, verb: str) -> None:
    arguments, _ = VERBS[app, verb]
    result = CliRunner().invoke(APPS[app], [verb, *arguments, "--threads", "99999999"])
    assert (result.exit_code, "equal to 1024" in " ".join(result.output.split())) == (2, True), result.output


TELL_LATER = {("litert_pipeline", "generate"), ("reference", "generate")}  # noise from a file has no seed
SEEDED = {(app, verb) for app, verb in VERBS if "--seed" in options_of(app, verb)} - TELL_LATER


@pytest.mark.parametrize("seed", ["-1", str(MOST_SEED + 1), "18446744073709551616"])
@pytest.mark.parametrize(("app", "verb"), sorted(SEEDED))
def test_a_seed_that_no_noise_has_is_bad_input(app: str, verb: str, seed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments, work = VERBS[app, verb]
    monkeypatch.setattr(work, broken)
    result = CliRunner().invoke(APPS[app], [verb, *arguments, "--seed", seed])
    assert (result.exit_code, "Invalid value for '--seed'" in result.output) == (2, True), result.output


@pytest.mark.parametrize(
    ("verb", "option"),
    [("gate", "--variants"), ("gate", "--cases"), ("soak", "--variants"), ("faults", "--arithmetics"), ("faults", "--only")],
)
@pytest.mark.parametrize("names", ["", " ", "drums,"])
def test_an_empty_name_is_bad_input(verb: str, option: str, names: str) -> None:
    result = CliRunner().invoke(APPS["parity"], [verb, option, names])
    assert result.exit_code == 2
    assert result.stderr == f"error: '{names}' lacks a name; expected names, comma-separated, or the option left out\n"


@pytest.mark.parametrize("verb", sorted(verb for app, verb in VERBS if "--policy" in options_of(app, verb)))
def test_an_empty_policy_is_not_the_usual_one(verb: str) -> None:
    """As scripts pass of a variable that is not set."""
    arguments, _ = VERBS["parity", verb]
    result = CliRunner().invoke(APPS["parity"], [verb, *arguments, "--policy", ""])
    told = "the policy is an empty name; expected a TOML file or one of" in result.stderr
    assert (result.exit_code, told) == (2, True), result.output


@pytest.mark.parametrize(("verb", "option"), [("gate", "--report"), ("goldens", "--out"), ("faults", "--out")])
def test_what_cannot_be_made_is_told_by_the_name_it_was_given(
    verb: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(prefix: str, dir: Path, suffix: str = "") -> NoReturn:
        raise PermissionError(EACCES, "Permission denied", f"{dir}/{prefix}x1y2{suffix}")

    for make in ("tempfile.mkdtemp", "tempfile.mkstemp"):
        monkeypatch.setattr(make, refusing)
    result = CliRunner().invoke(APPS["parity"], [verb, option, str(tmp_path / "out")])
    assert result.exit_code == 2
    assert result.stderr == f"error: {tmp_path / 'out'}: cannot be made (Permission denied); choose another path\n"


def test_where_a_gate_without_a_report_has_no_room_it_is_told_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2**20))
    monkeypatch.setattr("parity.gate.chosen_bundles", broken)
    result = CliRunner().invoke(APPS["parity"], ["gate"])
    assert (result.exit_code, result.stderr.startswith(f"error: {tmp_path} (TMPDIR): 1 MiB are free there")) == (2, True)


def test_a_log_of_runs_that_cannot_be_written_is_told_before_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VERBS["parity", "soak"][1], broken)
    result = CliRunner().invoke(APPS["parity"], ["soak", "--log", str(tmp_path)])
    assert (result.exit_code, result.stderr) == (2, f"error: {tmp_path}: is a folder; expected a file to write\n")


def test_a_page_of_the_arm_matrix_that_cannot_be_written_is_told_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parity.arm.__main__, "install_arm", broken)
    with pytest.raises(InputError, match=f"^{tmp_path}: is a folder; expected a file to write"):
        parity.arm.__main__._run(Matrix(folder=tmp_path / "arm"), tmp_path)


def test_a_case_that_is_unknown_is_told_before_a_kit_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parity.device.pack.new_folder", broken)
    result = CliRunner().invoke(APPS["parity"], ["pack", "--bundle", "b", "--out", "o", "--cases", "guitar"])
    assert (result.exit_code, result.stderr.startswith("error: case guitar is unknown")) == (2, True), result.stderr


def test_a_folder_is_no_policy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"^{tmp_path}: cannot be read as a policy"):
        read_policy(str(tmp_path), date.today())
