"""A kit holds what it says, is refused where it was changed, and would not have been written if it told nothing."""

import itertools
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fixtures import TINY_MODEL_DIR
from litert_pipeline.bundle import Bundle
from parity.device.pack import Packed, PackOptions, pack
from parity.device.record.arrays import Arrays, hash_of
from parity.device.record.kit import ARRAYS, MANIFEST, RECORDER, Plan, id_of, read_kit, read_plan
from parity.device.rehearse import PLANTED, rehearse
from parity.device.zipped import ROOT, recorder_files, write_recorder
from parity.measure.bound import Bound
from parity.meta_tests.device.kits import CASE, DRAWS, RECIPE, VARIANT
from parity.truth.store import Store
from reference.spec.errors import InputError
from reference.spec.stages import ALL_STAGES

pytestmark = pytest.mark.xdist_group("kit")  # packed once, not once in every process

MOST_BYTES = 60 * 10**6  # of a kit of all cases at tiny size; this one has a single case
OF_CASES = 15


def options(bundle: Path, out: Path) -> PackOptions:
    return PackOptions(
        model=TINY_MODEL_DIR, bundles=[bundle], out=out, variants=[VARIANT], cases=[CASE], threads=(1,), rounds=0, models=True,
        force=False,
    )  # fmt: skip


def plan_of(kit: Path) -> Plan:
    return read_plan(kit / MANIFEST)[1]


def edited(kit: Path, folder: Path, key: str, value: object, *, with_id: bool = True) -> Path:
    """A folder with the manifest of a kit, one field of which is another."""
    content = json.loads((kit / MANIFEST).read_text()) | {key: value}
    folder.mkdir()
    (folder / MANIFEST).write_text(json.dumps(content | ({"kit_id": id_of(content)} if with_id else {})))
    return folder


def test_a_kit_asks_all_stages_and_has_a_truth_and_limits_for_each(packed: tuple[Path, Packed]) -> None:
    kit, told = packed
    plan = plan_of(kit)
    assert {part.stage for _, part in plan.own_parts} == set(ALL_STAGES)
    assert len(plan.rights) == sum(question.kind != "changes" for question in plan.questions)
    assert all(check.bounds and all(bound.why for bound in check.bounds) for check in plan.checks)
    assert told.planted == len(PLANTED) * len(plan.own_parts)
    assert told.kit_id == read_kit(kit).id


def test_a_kit_of_all_cases_stays_small(kit: Path) -> None:
    """What is drawn and the files are there once, whatever the number of cases."""
    size_bytes = sum(path.stat().st_size for path in kit.rglob("*"))
    own = {name for right in plan_of(kit).rights if right.question == CASE for name in right.arrays.values()}
    case_bytes = sum((kit / ARRAYS / f"{name}.npy").stat().st_size for name in own)
    assert size_bytes + (OF_CASES - 1) * case_bytes < MOST_BYTES


def test_an_input_that_is_the_truth_of_another_stage_is_stored_once(kit: Path) -> None:
    """The audio is what the decoder should answer, in float64, and what the encoder is fed, in float32."""
    (audio,) = (
        question.calls[0]["audio"] for question in plan_of(kit).questions if (question.stage, question.id) == ("encoder", CASE)
    )
    assert audio.endswith(":float32")
    assert read_kit(kit).arrays.of(audio).dtype == np.float32


def test_equal_sources_make_equal_recorders(kit: Path, tmp_path: Path) -> None:
    write_recorder(tmp_path / RECORDER)
    assert (tmp_path / RECORDER).read_bytes() == (kit / RECORDER).read_bytes()


def test_the_recorder_is_made_of_rooms_that_need_numpy_alone() -> None:
    rooms = {"/".join(path.relative_to(ROOT).parts[:2]) for path in recorder_files() if path.name != "__init__.py"}
    assert {room for room in rooms if room.count("/") and not room.endswith(".py")} == {
        "litert_pipeline/run", "parity/device", "parity/measure", "reference/spec",
    }  # fmt: skip
    assert all("record" in path.parts for path in recorder_files() if "device" in path.parts and path.name != "__init__.py")


EDITS: Mapping[str, tuple[str, object, bool, str]] = {
    "older format": ("format", 0, True, r"is of kit format 0, this version reads 2; pack and record again"),
    "edited limits": ("checks", [], False, r"was edited, its content is not that of kit"),
    "not a kit": ("kit_id", None, False, r"was edited"),
}


@pytest.mark.parametrize(("key", "value", "with_id", "sentence"), EDITS.values(), ids=EDITS)
def test_a_manifest_that_is_not_a_kit_s_is_refused(
    kit: Path, tmp_path: Path, key: str, value: object, with_id: bool, sentence: str
) -> None:
    if key == "kit_id":
        folder = edited(kit, tmp_path / "kit", key, "0" * 64, with_id=False)
    else:
        folder = edited(kit, tmp_path / "kit", key, value, with_id=with_id)
    with pytest.raises(InputError, match=sentence):
        read_kit(folder)


def test_an_array_that_was_changed_is_seen(tmp_path: Path) -> None:
    arrays = Arrays(folder=tmp_path)
    name = arrays.keep(np.arange(3, dtype=np.float32))
    path = tmp_path / f"{name}.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"was changed, its SHA-256 is not the one it is called by"):
        arrays.of(name)


@pytest.mark.parametrize(("text", "sentence"), [
    (None, r"cannot be read \(No such file or directory\); expected the manifest of a kit"),
    ("{", r"is no JSON"),
    ("[]", r"is no kit's; expected what 'python -m parity pack' wrote"),
    ('{"format": 1}', r"is no kit's"),
    ('{"format": 1, "kit_id": null}', r"is no kit's"),
], ids=["nothing", "cut", "a list", "a bundle's", "no id"])  # fmt: skip
def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path, text: str | None, sentence: str) -> None:
    if text is not None:
        (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(InputError, match=sentence):
        read_kit(tmp_path)


def test_one_flipped_bit_never_makes_another_array(tmp_path: Path) -> None:
    """Wherever it is, in the header too: it is refused in one sentence, or it is in what pads the header."""
    arrays, array = Arrays(folder=tmp_path), np.arange(3, dtype=np.float32)
    name = arrays.keep(array)
    path = tmp_path / f"{name}.npy"
    whole = path.read_bytes()
    for place, bit in itertools.product(range(len(whole)), range(8)):
        data = bytearray(whole)
        data[place] ^= 1 << bit
        path.write_bytes(bytes(data))
        try:
            assert hash_of(arrays.of(name)) == name
        except InputError as error:
            assert "copy the whole folder again" in str(error)  # noqa: PT017 - which bits are harmless is numpy's business


def test_an_array_that_is_not_there_or_was_cut_is_told(tmp_path: Path) -> None:
    arrays = Arrays(folder=tmp_path)
    name = arrays.keep(np.arange(3, dtype=np.float32))
    path = tmp_path / f"{name}.npy"
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"is no array any more"):
            arrays.of(name)
    path.unlink()
    with pytest.raises(InputError, match=r"no such file, though it was recorded"):
        arrays.of(name)


def test_an_array_gets_its_name_when_all_of_it_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a dead battery leaves is not taken for an array."""
    named_before = []
    monkeypatch.setattr(os, "fsync", lambda _: named_before.append(list(tmp_path.glob("*.npy"))))
    Arrays(folder=tmp_path).keep(np.arange(3, dtype=np.float32))
    assert named_before == [[]]


def test_a_name_is_of_all_that_an_array_is() -> None:
    x = np.arange(6, dtype=np.float32)
    assert len({hash_of(x), hash_of(x.reshape(2, 3)), hash_of(x.view(np.int32)), hash_of(x + 1)}) == 4


def widened(plan: Plan) -> Plan:
    """Limits that allow anything that is a number."""
    anything = [Bound(low_limit=0.0, limit=float("inf"), why="wide")]
    return replace(plan, checks=[replace(check, bounds=anything) for check in plan.checks])


def nothing_allowed(plan: Plan) -> Plan:
    """Limits that are no numbers, as those along a yardstick that is none."""
    nothing = [Bound(low_limit=0.0, limit=float("nan"), why="none")]
    return replace(plan, checks=[replace(check, bounds=nothing) for check in plan.checks])


@pytest.mark.parametrize(("change", "sentence"), [
    (widened, r"would pass on the device; no kit is written"),
    (nothing_allowed, r"the truth itself is refused"),
], ids=["limits that allow anything", "limits that allow nothing"])  # fmt: skip
def test_a_kit_that_tells_nothing_is_not_written(kit: Path, change: object, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        rehearse(change(plan_of(kit)), read_kit(kit).arrays)  # type: ignore[operator]


def test_only_what_litert_runs_is_packed(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is an onnx bundle; a kit is run by LiteRT alone"):
        pack(options(bundles["onnx_fp32"].folder, tmp_path / "kit"), Store.of_user(), lambda _: None)
    assert not (tmp_path / "kit").exists()


def test_a_bundle_made_elsewhere_is_not_packed(positional: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no manifest.json, by which a device binds tensors"):
        pack(options(positional, tmp_path / "kit"), Store.of_user(), lambda _: None)


def test_a_kit_that_is_there_is_not_replaced(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    (tmp_path / "kit").mkdir()
    with pytest.raises(InputError, match=r"kit: already exists; choose another path or pass --force"):
        pack(options(bundles[RECIPE].folder, tmp_path / "kit"), Store.of_user(), lambda _: None)


def test_a_kit_of_no_bundle_is_not_packed(tmp_path: Path) -> None:
    nothing = replace(options(tmp_path, tmp_path / "kit"), bundles=[])
    with pytest.raises(InputError, match=r"no bundle to pack; give one with --bundle"):
        pack(nothing, Store.of_user(), lambda _: None)


def test_what_was_drawn_is_asked_as_often_as_told(kit: Path) -> None:
    drawn = [question for question in plan_of(kit).questions if question.kind == "drawn" and question.stage == "conditioner"]
    assert [len(question.calls) for question in drawn] == [1] * DRAWS


def test_the_bundle_of_a_kit_is_the_bundle(kit: Path, bundles: Mapping[str, Bundle]) -> None:
    assert read_kit(kit).bundles[RECIPE].manifest == bundles[RECIPE].manifest
