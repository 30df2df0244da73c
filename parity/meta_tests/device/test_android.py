"""A kit asked through adb, by stand-ins for adb and for LiteRT's tool: the answers are this machine's, and judged as such."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from litert_pipeline.bundle import Bundle
from litert_pipeline.run.classic import open_classic_stage
from parity.__main__ import app
from parity.device.android import Phone, _escaped, answering, open_on
from parity.device.record.answers import read_answers
from parity.device.record.journal import BEGIN, KIT, LEFT
from parity.device.record.kit import read_kit
from parity.device.record_android import machine_of
from parity.meta_tests.device.kits import VARIANT, changed_kit
from parity.meta_tests.device.standin_adb import GONE_AFTER, LOG, PHONE_C, SERIAL, _split, program
from reference.spec.errors import EXIT_NOT_JUDGED, EXIT_OK, InputError
from reference.spec.stages import CONDITIONER, DECODER, DIT


@dataclass(frozen=True, kw_only=True)
class Standin:
    """The phone's folder, and the two programs."""

    root: Path
    adb: Path
    tool: Path

    @property
    def phone(self) -> Phone:
        return Phone(tool=self.tool, adb=str(self.adb), serial=SERIAL)

    def asked(self) -> list[str]:
        """What the tool was asked, call by call."""
        return (self.root / LOG).read_text().splitlines()


@pytest.fixture
def standin(tmp_path: Path) -> Standin:
    root = tmp_path / "phone"
    root.mkdir()
    return Standin(root=root, adb=program(tmp_path, "adb", root), tool=program(tmp_path, "benchmark_model", root))


@pytest.mark.parametrize("stage", [CONDITIONER, DIT])
def test_a_call_is_handed_over_and_its_answer_brought_back_bit_for_bit(
    kit: Path, bundles: Mapping[str, Bundle], standin: Standin, stage: str
) -> None:
    """Inputs of several types in the graph's order; outputs of one file, one behind the other."""
    asked = read_kit(kit)
    feed = next(asked.feeds(asked.plan.first_case(stage)))
    with open_on(standin.phone, asked, asked.plan.variant(VARIANT), stage, 1) as there:
        found = there(feed)
    with open_classic_stage(bundles["int8"], stage) as here:
        expected = here(feed)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert array.tobytes() == np.ascontiguousarray(found[name]).tobytes()


def test_a_stage_that_computes_in_half_is_asked_so(kit: Path, standin: Standin) -> None:
    asked = read_kit(kit)
    feed = next(asked.feeds(asked.plan.first_case(DECODER)))
    with (
        open_on(standin.phone, asked, asked.plan.variant(VARIANT), DECODER, 2) as run,
        pytest.raises(InputError, match="this phone computes nothing in FP16"),
    ):
        run(feed)
    assert "--num_threads=2 " in standin.asked()[-1]


def test_a_kit_is_recorded_and_judged(kit: Path, standin: Standin, tmp_path: Path) -> None:
    """What cannot be found out, as FP16 compute here, is told so; a file is copied to the phone once."""
    few, out = changed_kit(kit, tmp_path / "few", lambda bundle: None, [CONDITIONER]), tmp_path / "answers"
    given = ["--kit", few, "--tool", standin.tool, "--out", out, "--adb", standin.adb, "--serial", SERIAL]
    result = CliRunner().invoke(app, ["record-android", *map(str, given)])
    assert result.exit_code == EXIT_OK, result.output
    assert "Cortex-A520, Cortex-X4 (aarch64; atomics fphp asimdhp asimddp i8mm bf16), Stand-in, Android 15" in result.output
    journal = read_answers(out).journal
    (entry,), (left,) = journal.of(KIT), journal.of(LEFT)
    assert entry["halves"] is None
    assert {begun["temperature_c"] for begun in journal.of(BEGIN)} == {left["temperature_c"]} == {PHONE_C}, "not this machine's"
    assert (left["peak_bytes"], left["slowed"]) == (None, None)
    assert len({call.split()[0] for call in standin.asked()}) == 2  # the row of FP16 compute, and the conditioner
    result = CliRunner().invoke(app, ["record-android", *map(str, given)])
    assert result.exit_code == EXIT_OK, "what was recorded is not asked again"


@pytest.mark.parametrize("word", ["args_0;rm", "a b", "$HOME", "a#b", "it's"])
def test_what_a_name_means_to_a_shell_is_left_to_nobody(standin: Standin, word: str) -> None:
    """adb joins its words to one line, which the phone's shell reads."""
    with pytest.raises(InputError, match="inaccessible or not found") as error:
        standin.phone.shell("ls", word)
    assert word in str(error.value).replace("'\"'\"'", "'")


@pytest.mark.parametrize("name", ["x", "serving_default_x:0", "a::b"])
def test_a_name_is_told_apart_from_its_file(name: str) -> None:
    assert _split(f"{_escaped(name)}:/data/in.bin") == (name, "/data/in.bin")


def test_the_phone_is_told_and_not_this_machine(standin: Standin) -> None:
    told = machine_of(standin.phone)
    assert told["cpu"]["features"] == ["atomics", "fphp", "asimdhp", "asimddp", "i8mm", "bf16"], "which every core has"
    assert (told["cores"], told["temperature_c"], told["governor"]) == (2, PHONE_C, None)


# What may be wrong, and what is said of it.
WRONG = {
    "no adb": ({"adb": "no-such-adb"}, "no-such-adb: cannot be run (No such file or directory); install Android's"),
    "another serial": ({"serial": "elsewhere"}, "device 'elsewhere' not found; look whether 'adb devices' lists it"),
    "no tool": ({"tool": "no-such-tool"}, "no-such-tool: no such file; expected LiteRT's benchmark_model"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_missing_is_told_in_one_line(kit: Path, standin: Standin, tmp_path: Path, kind: str) -> None:
    changed, words = WRONG[kind]
    given = {"kit": kit, "tool": standin.tool, "out": tmp_path / "answers", "adb": standin.adb, "serial": SERIAL} | changed
    result = CliRunner().invoke(app, ["record-android", *(f"--{name}={value}" for name, value in given.items())])
    assert result.exit_code == EXIT_NOT_JUDGED
    assert words in " ".join((result.output + str(result.exception)).split())


def test_what_the_last_call_wrote_is_not_taken_for_this_one_s(kit: Path, standin: Standin) -> None:
    """A tool that ends with 0 and writes nothing."""
    asked = read_kit(kit)
    feed, path = next(asked.feeds(asked.plan.first_case(CONDITIONER))), asked.bundles["int8"].path(CONDITIONER)
    answering(standin.phone, path, "fp32")(feed)
    standin.tool.write_text("#!/bin/sh\n")
    with pytest.raises(InputError, match="benchmark_model ended with 0 and wrote no outputs"):
        answering(standin.phone, path, "fp32")(feed)


def test_a_phone_that_is_gone_ends_the_recording_and_is_asked_the_rest_when_it_is_back(
    kit: Path, standin: Standin, tmp_path: Path
) -> None:
    few, out = changed_kit(kit, tmp_path / "few", lambda bundle: None, [CONDITIONER]), tmp_path / "answers"
    given = ["--kit", few, "--tool", standin.tool, "--out", out, "--adb", standin.adb, "--serial", SERIAL]
    (standin.root / GONE_AFTER).write_text("12")
    result = CliRunner().invoke(app, ["record-android", *map(str, given)])
    assert result.exit_code == EXIT_NOT_JUDGED
    assert "no devices/emulators found; look whether 'adb devices' lists it" in " ".join(result.output.split())
    assert len(read_answers(out).journal.faults) == 1
    (standin.root / GONE_AFTER).unlink()
    result = CliRunner().invoke(app, ["record-android", *map(str, given)])
    assert result.exit_code == EXIT_OK, result.output


def test_outputs_of_another_size_are_refused(kit: Path, standin: Standin) -> None:
    """A tool that writes more or less than the graph's outputs is none that is known."""
    asked = read_kit(kit)
    feed = next(asked.feeds(asked.plan.first_case(CONDITIONER)))
    phone = standin.phone
    cut = phone.take

    def shortened(name: str, folder: Path) -> Path:
        path = cut(name, folder)
        path.write_bytes(path.read_bytes()[:-4])
        return path

    object.__setattr__(phone, "take", shortened)
    path = asked.bundles["int8"].path(CONDITIONER)
    with pytest.raises(InputError, match="bytes of its outputs, expected"):
        answering(phone, path, "fp32")(feed)
