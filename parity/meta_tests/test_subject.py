"""What a report tells of the model that everything was held to, and what its kind may be asked."""

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from fixtures import TINY_MODEL_DIR
from parity.subject import require_cases, subject_of
from reference.codec_stages import load_stages
from reference.spec.errors import InputError

T5 = "t5-tiny/model.safetensors"


@pytest.mark.parametrize(("halved", "words"), [
    ("", "model.safetensors in float32; T5 in float32"),
    ("model.safetensors", "model.safetensors in float16; T5 in float32"),
    (T5, "model.safetensors in float32; T5 in float16"),
], ids=["nothing", "the checkpoint", "T5"])  # fmt: skip
def test_the_precision_that_weights_are_stored_in_is_told(halved: str, words: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(TINY_MODEL_DIR, tmp_path / "model"))
    if halved:
        save_file({name: value.half() for name, value in load_file(folder / halved).items()}, folder / halved)
    model = load_stages(folder)
    assert subject_of(model).described(model).stored == words


@pytest.mark.parametrize("names", [None, ["drums"], ["a frame of music"]], ids=["all", "a generating model's", "a codec's"])
def test_cases_of_either_kind_of_model_are_known(names: list[str] | None) -> None:
    require_cases(names)


def test_one_unknown_among_known_cases_is_told_by_name() -> None:
    with pytest.raises(InputError, match="case guitar is unknown; valid cases: drums"):
        require_cases(["music", "guitar", "drums"])
