"""What lies in somebody's folder beside the models, and what only looks like one."""

import shutil
from pathlib import Path

from fixtures import EMBEDDED_MODEL_DIR, TINY_MODEL_DIR
from fixtures.oracle.positional import FILES
from parity.bundles.foreign import left_aside, read_foreign
from parity.bundles.model_name import named
from parity.meta_tests.bundles.test_foreign import run
from reference.spec.files import POINTER


def test_what_is_no_model_is_left_aside_and_named(positional: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(positional, tmp_path / "theirs"))
    for name in ("._dit_model.tflite", "encoder.TFLITE", "demo.mp3", "README.md", "tokenizer.model"):
        (folder / name).write_bytes(b"\0\5\26\7 no model")
    (folder / "old.tflite").mkdir()
    bundle = read_foreign(folder, TINY_MODEL_DIR)
    assert bundle.manifest.stages.keys() == read_foreign(positional, TINY_MODEL_DIR).manifest.stages.keys()
    names = {"._dit_model.tflite", "encoder.TFLITE", "demo.mp3", "README.md", "tokenizer.model", "old.tflite"}
    assert set(left_aside(bundle)) == names
    assert left_aside(read_foreign(positional, TINY_MODEL_DIR)) == []


def test_a_pointer_is_named_before_a_runtime_sees_it(positional: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(positional, tmp_path / "theirs"))
    (folder / FILES["dit"]).write_bytes(POINTER + b"/spec/v1\n")
    code, output = run("gate", "--bundle", folder)
    assert (code, f"{FILES['dit']}: is a pointer to a file in Git LFS" in output) == (2, True), output


def test_files_of_another_model_ask_for_the_model(tmp_path: Path) -> None:
    assert "--model was left out; give the model dir they were converted from" in named(EMBEDDED_MODEL_DIR)
    assert named(tmp_path) == str(tmp_path)
