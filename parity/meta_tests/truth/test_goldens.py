"""The recorded numbers are still those of today's code and libraries, and a change would be noticed."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from fixtures import GOLDENS_DIR, SOUND_MODEL_DIR, TINY_MODEL_DIR
from parity.__main__ import app
from parity.meta_tests.of_tiny import OF_TINY
from parity.truth import goldens
from reference.pipeline import Model, load_model
from reference.spec.errors import InputError
from reference.spec.files import sha256_of
from reference.spec.tensors import Tensors

MOVED = 1e-12  # relative L2; float64 sums in another order, measured up to 1e-15 on one machine
NUDGE = 1e-9  # a float32 step hidden in the truth would move it a hundred times further


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(TINY_MODEL_DIR)


@pytest.fixture(scope="module")
def recorded(model: Model) -> Tensors:
    return goldens.read(GOLDENS_DIR / TINY_MODEL_DIR.name, model)


@pytest.mark.parametrize("folder", [TINY_MODEL_DIR, SOUND_MODEL_DIR], ids=lambda folder: folder.name)
def test_nothing_has_moved(folder: Path) -> None:
    model = load_model(folder)
    recorded = goldens.read(GOLDENS_DIR / folder.name, model)
    found = goldens.differences(recorded, model)
    assert not {name: error for name, error in found.items() if not error <= MOVED}
    states = {name for name in recorded if ".x_" in name or name.endswith(".latents")}  # inputs, not answers
    assert found.keys() == recorded.keys() - states


@pytest.mark.parametrize("name", [
    "drums.v_0", "drums.audio", "one_too_many.cross_attention_cond", "drums.init_latents", "noise.philox", "drums.levels",
    "drums.input_ids",
])  # fmt: skip
def test_a_moved_number_is_noticed(model: Model, recorded: Tensors, name: str) -> None:
    array = recorded[name]
    step = NUDGE if array.dtype == np.float64 else 1e-6  # of float32, several roundings
    nudged = array + 1 if array.dtype.kind == "i" else array * array.dtype.type(1 + step)
    assert not goldens.differences({**recorded, name: nudged}, model)[name] <= MOVED


def test_one_command_records_them(tmp_path: Path, model: Model) -> None:
    out = tmp_path / "goldens"
    for arguments in ([], ["--force"]):
        result = CliRunner().invoke(app, ["goldens", *OF_TINY, "--out", str(out), *arguments])
        assert result.exit_code == 0, result.output
    assert f"wrote {out}" in result.output
    assert goldens.read(out, model).keys() == goldens.read(GOLDENS_DIR / TINY_MODEL_DIR.name, model).keys()
    assert sha256_of(out / goldens.ARRAYS_NAME)
    refused = CliRunner().invoke(app, ["goldens", *OF_TINY, "--out", str(out)])
    assert refused.exit_code == 2
    assert "--force" in refused.output


def test_damaged_and_foreign_goldens_are_refused(tmp_path: Path, model: Model) -> None:
    out = tmp_path / "goldens"
    goldens.record(TINY_MODEL_DIR, out)
    index = out / goldens.INDEX_NAME
    index.write_text(index.read_text().replace(model.files.weights_sha256(), "0" * 64))
    with pytest.raises(InputError, match="goldens of other weights"):
        goldens.read(out, model)
    with (out / goldens.ARRAYS_NAME).open("ab") as stream:
        stream.write(b"\0")
    with pytest.raises(InputError, match="record the goldens again"):
        goldens.read(out, model)
