"""A recording is one device's, by one recorder, in a folder of its own; what it lacks is told first, or asked again."""

import copy
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parity.arm.matrix import TWO, make_few, require_answers_to
from parity.device.record.answers import begin_answers, read_answers
from parity.device.record.journal import JOURNAL, KIT, LEFT, Entry
from parity.device.record.kit import ARRAYS, BUNDLES, RECORDER, read_kit
from parity.device.record.main import own_folder
from parity.device.record.plan import MANIFEST, read_plan
from parity.meta_tests.device.kits import VARIANT, changed_kit, copy_of, given, rewritten, run_recorder
from reference.spec.errors import EXIT_NOT_JUDGED, EXIT_OK, InputError
from reference.spec.only_writer import only_writer
from reference.spec.stages import CONDITIONER

pytestmark = pytest.mark.xdist_group("kit")  # packed once, not once in every process


def no_array_of_the_truth(kit: Path) -> None:
    """One that is read behind hours of questions."""
    _, plan = read_plan(kit / MANIFEST)
    arrays = kit / ARRAYS
    copied = shutil.copytree(arrays.resolve(), kit / "copied")
    arrays.unlink()
    copied.rename(arrays)
    name = plan.rights[0].arrays.popitem()[1].partition(":")[0]
    next(arrays.glob(f"{name}*")).unlink()


def test_an_array_that_was_not_copied_is_told_before_anything_is_recorded(kit: Path, tmp_path: Path) -> None:
    folder = changed_kit(kit, tmp_path / "kit", lambda _: None)
    no_array_of_the_truth(folder)
    run = run_recorder(folder, tmp_path / "answers")
    assert run.code == EXIT_NOT_JUDGED
    assert "no such file, neither .npy or .squeezed, or an empty one; copy the whole folder again" in run.errors
    assert not (tmp_path / "answers").exists()


def test_an_answer_that_was_lost_is_asked_again(kit: Path, answers: Path, tmp_path: Path) -> None:
    folder = copy_of(answers, tmp_path / "answers")
    lost = next(iter(sorted((folder / ARRAYS).iterdir())))
    data = lost.read_bytes()
    lost.unlink()
    run = run_recorder(kit, folder)
    assert run.code == EXIT_OK, run.errors
    assert lost.read_bytes() == data
    assert given(read_answers(folder)) == given(read_answers(answers))


# What another device, or another runtime on it, tells otherwise.
OTHERS: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "another architecture": (
        lambda told: told["machine"].update(architecture="s390x"), "where the architecture is s390x, and goes"
    ),
    "another CPU": (lambda told: told["machine"]["cpu"].update(model="Cortex-A520"), "where the CPU's model is Cortex-A520, and"),
    "fewer features": (lambda told: told["machine"]["cpu"].update(features=[]), r"where the CPU's features is \[\], and goes"),
    "other FP16": (lambda told: told.update(halves={"kind": "none of these"}), "where FP16 compute is none of these, and goes"),
    "another LiteRT": (
        lambda told: told["machine"]["versions"].update({"ai-edge-litert": "1.0"}), "where the runtime is ai-edge-litert 1.0, and"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_answers_of_another_device_are_not_gone_on_with(kit: Path, answers: Path, tmp_path: Path, name: str) -> None:
    """Else what one device answered would be published as another's."""
    change, words = OTHERS[name]

    def first_session(entry: Entry) -> Entry:
        told = copy.deepcopy(dict(entry))
        if entry["kind"] == KIT:
            change(told)
        return told

    folder = rewritten(answers, tmp_path / "answers", first_session)
    before = (folder / JOURNAL).read_bytes()
    run = run_recorder(kit, folder)
    assert run.code == EXIT_NOT_JUDGED
    assert re.search(f"{folder}: was begun {words}", run.errors)
    assert (folder / JOURNAL).read_bytes() == before


def test_answers_of_two_devices_are_not_judged(answers: Path, tmp_path: Path) -> None:
    def twice(entry: Entry) -> Entry:
        return {**entry, "kind": KIT, "halves": None, "machine": other} if entry["kind"] == LEFT else entry

    (session,) = read_answers(answers).journal.of(KIT)
    other = {**session["machine"], "architecture": "s390x"}
    with pytest.raises(InputError, match="goes on where it is s390x; give each device, and each runtime on it, a folder"):
        read_answers(rewritten(answers, tmp_path / "answers", twice))


def test_what_cannot_be_found_out_is_no_other_device(kit: Path, answers: Path, tmp_path: Path) -> None:
    folder = rewritten(answers, tmp_path / "answers", lambda one: {**one, "halves": None} if one["kind"] == KIT else one)
    assert run_recorder(kit, folder).code == EXIT_OK


def test_two_recorders_are_not_at_work_in_one_folder(kit: Path, answers: Path, tmp_path: Path) -> None:
    """Each would write lines that do not fit the other's."""
    folder = copy_of(answers, tmp_path / "answers")
    before = (folder / JOURNAL).read_bytes()
    with only_writer(folder / JOURNAL):
        run = run_recorder(kit, folder)
    assert run.code == EXIT_NOT_JUDGED
    assert f"{folder / JOURNAL}: another process is writing it; wait until it has ended" in run.errors
    assert (folder / JOURNAL).read_bytes() == before


def test_answers_do_not_lie_in_the_kit_s_own_folder(kit: Path, tmp_path: Path) -> None:
    """A kit that is handed on would bring them along, as if they were the next device's."""
    (tmp_path / "link").symlink_to(kit)
    run = run_recorder(kit, tmp_path / "link")
    assert run.code == EXIT_NOT_JUDGED
    assert "link: is the kit itself; choose another folder for the answers" in run.errors
    assert not (kit / JOURNAL).exists()


@pytest.mark.parametrize("place", [f"{BUNDLES}/answers", f"{ARRAYS}/answers"])
def test_answers_do_not_lie_in_what_the_kit_holds(kit: Path, place: str) -> None:
    with pytest.raises(InputError, match="which would hold what is no part of it"):
        begin_answers(read_kit(kit), kit / place)


def test_answers_lie_beside_bundles_that_were_packed_without_and_in_none_of_them(kit: Path, tmp_path: Path) -> None:
    read = read_kit(kit, tmp_path)
    begin_answers(read, tmp_path / "answers")
    name = next(iter(read.plan.hashes))
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match="which would hold what is no part of it"):
        begin_answers(read, tmp_path / name / "answers")


def test_a_linked_recorder_asks_for_its_own_kit_whatever_the_kit_is_made_of(kit: Path, tmp_path: Path) -> None:
    """Two threads and twins are asked a part of the matrix's kit by links: asked the whole, they would answer other questions."""
    part, link = tmp_path / "part", tmp_path / RECORDER
    make_few(kit, part, {VARIANT: (CONDITIONER,)}, TWO)
    run = run_recorder(part, tmp_path / "answers")
    answers = read_answers(tmp_path / "answers")
    assert run.code == EXIT_OK, run.errors
    assert {part.stage for _, part in answers.plan.own_parts} == {CONDITIONER}
    require_answers_to(part, answers)
    with pytest.raises(InputError, match="holds answers to another kit than"):
        require_answers_to(kit, answers)
    link.symlink_to(kit / RECORDER)
    assert own_folder(link) == kit.resolve()
    assert own_folder(part / RECORDER) == part


def test_a_path_without_letters_here_is_told(kit: Path, tmp_path: Path) -> None:
    """LiteRT takes UTF-8, whatever the locale."""
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/k\xfft"))
    with pytest.raises(InputError, match=r"cannot be told to a runtime.*; copy it to a path of plain letters"):
        read_kit(path)
