"""What audiogen would do with a bundle: every place it reaches, and what follows where it finds something else."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from fixtures import TINY_MODEL_DIR
from fixtures.oracle.tflite_edit import edit_graph
from litert_pipeline.bundle import Bundle
from parity.bundles.app import FILES, NEW_ORDER, REVISIONS
from parity.bundles.interface import read_interface
from parity.device.contract import contract
from parity.faults.catalogue.files import other_pieces
from parity.meta_tests.bundles.test_foreign import ROLES, run
from reference.model_files import SPIECE_NAME

OLD, CLASSIC, COMPILED, NEWEST = (revision.name for revision in REVISIONS)


@pytest.fixture
def fitting(positional: Path, tmp_path: Path) -> Path:
    """A folder the app's first revision runs: int64 ids, and the DiT's inputs in its order."""
    folder = Path(shutil.copytree(positional, tmp_path / "fitting"))
    edit_graph(folder / FILES["conditioner"], wide_integers=True)
    order = [ROLES["dit"].index(name) for name in REVISIONS[0].dit_inputs]
    edit_graph(folder / FILES["dit"], graph_order=order)
    return folder


def test_a_fitting_bundle_fits_the_revision_it_was_made_for(fitting: Path) -> None:
    found = contract(fitting, TINY_MODEL_DIR)
    assert found.fitting == [OLD]
    assert found.general == []
    wrong = {r.place.constant: r.wrong or "" for r in found.reached[CLASSIC] if not r.ok}
    assert wrong.keys() == {"k_dit_t_in_idx", "k_dit_crossattn_in_idx", "k_dit_x_in_idx"}
    assert not any(told.startswith("stops: ") for told in wrong.values())
    code, output = run("contract", "--bundle", fitting)
    assert code == 0
    assert f"fits audiogen {OLD}" in output


def test_compiled_model_counts_places_in_the_signature(fitting: Path) -> None:
    """The graph may be in one order and the signature in another: then two revisions with two orders run the same file."""
    signed = [tensor.name for tensor in sorted(read_interface(fitting / FILES["dit"]).inputs, key=lambda one: one.signed)]
    order = [signed.index(f"args_{ROLES['dit'].index(role)}") for role in NEW_ORDER]
    edit_graph(fitting / FILES["dit"], signature_order=order)
    assert contract(fitting, TINY_MODEL_DIR).fitting == [OLD, COMPILED, NEWEST]


def test_values_that_are_counted_stop_the_app(fitting: Path) -> None:
    wrong = [r.wrong or "" for r in contract(fitting, TINY_MODEL_DIR).reached[COMPILED] if not r.ok]
    assert wrong
    assert all(told.startswith("stops: ") for told in wrong)


def test_ids_of_four_bytes_are_written_past_by_compiled_model_and_crash_the_interpreter(positional: Path) -> None:
    reached = {
        name: next(r.wrong or "" for r in found if r.place.constant == "k_t5_ids_in_idx")
        for name, found in contract(positional, TINY_MODEL_DIR).reached.items()
    }
    assert all(reached[name].endswith("a crash on the first write") for name in (OLD, CLASSIC))
    assert all("writes 1024 bytes into 512, past its end" in reached[name] for name in (COMPILED, NEWEST))


def test_what_litert_torch_writes_by_itself_fits_no_revision_and_the_constants_are_told(positional: Path) -> None:
    code, output = run("contract", "--bundle", positional)
    assert code == 1
    assert "fits no revision" in output
    for line in ("k_dit_crossattn_in_idx = 2;", "k_dit_globalcond_in_idx = 3;", "k_dit_x_in_idx = 0;", "k_dit_t_in_idx = 1;"):
        assert line in output
    reached = {r.place.constant: r.wrong for r in contract(positional, TINY_MODEL_DIR).reached[OLD]}
    assert reached["k_t5_ids_in_idx"] is not None
    assert "int32" in reached["k_t5_ids_in_idx"]
    assert reached["k_dit_x_in_idx"] is not None
    assert "writes past its end" in reached["k_dit_x_in_idx"]
    assert reached["k_dit_out_idx"] is None


# What the app trips over, whatever its revision.
TRIPS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no tokenizer": (lambda folder: (folder / SPIECE_NAME).unlink(), "not in the folder"),
    "another tokenizer": (
        other_pieces,
        "not the model's",
    ),
    "another name": (lambda folder: (folder / FILES["dit"]).rename(folder / "dit.tflite"), "opens 'dit_model.tflite'"),
}


@pytest.mark.parametrize("trip", TRIPS)
def test_what_no_revision_can_do_without_is_told(fitting: Path, trip: str) -> None:
    change, told = TRIPS[trip]
    change(fitting)
    found = contract(fitting, TINY_MODEL_DIR)
    assert found.fitting == []
    assert any(told in sentence for sentence in found.general)


def test_the_length_of_the_ids_buffer_is_told(fitting: Path) -> None:
    notes = " ".join(contract(fitting, TINY_MODEL_DIR).notes)
    assert "its buffer of ids holds 128" in notes
    assert f"stops it ({NEWEST})" in notes
    assert f"the decoder in FP16, whatever is asked for ({OLD}, {CLASSIC})" in notes
    assert f"the encoder in FP16, whatever is asked for ({CLASSIC}, {COMPILED}, {NEWEST})" in notes
    assert "the reference cuts at 28, so prompts of 29 to 128 sound otherwise" in notes


def test_where_the_ids_buffer_is_as_long_as_the_reference_s_no_prompt_sounds_otherwise(bundles: Mapping[str, Bundle]) -> None:
    notes = contract(bundles["fp32"].folder, TINY_MODEL_DIR).notes
    assert "its buffer of ids holds 28" in notes[0]
    assert notes[0].endswith("the reference cuts at 28")
