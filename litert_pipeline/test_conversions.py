"""The cache of conversions: what it gives back is what was made, and nothing made of something else."""

import dataclasses
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures import TINY_MODEL_DIR
from litert_pipeline.build import conversions as conversions_module
from litert_pipeline.build.conversions import CONVERTING, Conversions, code_of, described_bundles
from litert_pipeline.build.recipes import RECIPES
from reference.spec import sources
from reference.spec.families.stable_audio_open import STABLE_AUDIO_OPEN
from reference.spec.families.table import FAMILIES
from reference.spec.kinds import WRITTEN

DESCRIPTION, FILES = {"recipe": "x"}, {"dit.tflite": b"weights", "inside/notes.txt": b""}
WRITERS = 8


class Made:
    """Writes the same folder every time and counts how often."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, folder: Path) -> None:
        self.times += 1
        for name, content in FILES.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)


def content_of(folder: Path) -> dict[str, bytes]:
    """All but the list of what was written."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != WRITTEN)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_folder_is_made_once_and_comes_back_as_it_was(tmp_path: Path) -> None:
    made, conversions = Made(), Conversions.inside(tmp_path / "cache")
    for name in ("first", "second"):
        conversions.made(DESCRIPTION, tmp_path / name, made)
        assert content_of(tmp_path / name) == FILES
    assert made.times == 1


def test_without_a_cache_everything_is_made(tmp_path: Path) -> None:
    made = Made()
    for name in ("first", "second"):
        Conversions.inside(None).made(DESCRIPTION, tmp_path / name, made)
    assert made.times == 2


def test_another_description_is_another_folder(tmp_path: Path) -> None:
    made, conversions = Made(), Conversions.inside(tmp_path / "cache")
    conversions.made(DESCRIPTION, tmp_path / "first", made)
    assert not conversions.restore({"recipe": "y"}, tmp_path / "second")
    assert not (tmp_path / "second").exists()


def test_a_damaged_folder_is_made_again(tmp_path: Path) -> None:
    made, conversions = Made(), Conversions.inside(tmp_path / "cache")
    conversions.made(DESCRIPTION, tmp_path / "first", made)
    (entry,) = (path for path in (tmp_path / "cache").rglob("*") if path.is_file())
    entry.write_bytes(entry.read_bytes().replace(FILES["dit.tflite"], b"weighty"))
    for name in ("second", "third"):
        conversions.made(DESCRIPTION, tmp_path / name, made)
        assert content_of(tmp_path / name) == FILES
    assert made.times == 2


def test_what_is_large_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversions_module, "LARGEST_BYTES", sum(map(len, FILES.values())) - 1)
    conversions = Conversions.inside(tmp_path / "cache")
    conversions.made(DESCRIPTION, tmp_path / "first", Made())
    assert not conversions.restore(DESCRIPTION, tmp_path / "second")


def test_writers_at_the_same_time_leave_one_sound_folder(tmp_path: Path) -> None:
    conversions = Conversions.inside(tmp_path / "cache")
    Made()(tmp_path / "made")
    threads = [threading.Thread(target=conversions.keep, args=(DESCRIPTION, tmp_path / "made")) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert conversions.restore(DESCRIPTION, tmp_path / "restored")
    assert content_of(tmp_path / "restored") == FILES
    assert len([path for path in (tmp_path / "cache").rglob("*") if path.is_file()]) == 1


def in_model(name: str) -> Callable[[Path, pytest.MonkeyPatch], None]:
    """Add a byte to a file of the model dir that allows it."""

    def change(model: Path, _: pytest.MonkeyPatch) -> None:
        with (model / name).open("ab") as stream:
            stream.write(b"\n")

    return change


def other_version(_: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(conversions_module, "installed_versions", lambda: {"torch": "another"})


def other_code(_: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(conversions_module, "code_of", lambda _: (Path(__file__),))


def other_tensors(_: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(conversions_module, "signatures", lambda _: {})


def other_sampler(_: Path, patch: pytest.MonkeyPatch) -> None:
    family = dataclasses.replace(STABLE_AUDIO_OPEN, samplers=("euler",))
    patch.setitem(FAMILIES, STABLE_AUDIO_OPEN.name, family)


def other_onnx2tf(_: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(conversions_module, "find_onnx2tf", lambda: None)


def other_rules(recipe: str) -> Callable[[Path, pytest.MonkeyPatch], None]:
    def change(_: Path, patch: pytest.MonkeyPatch) -> None:
        changed = dataclasses.replace(RECIPES[recipe], compute={"decoder": "fp16", "dit": "fp16"})
        patch.setitem(RECIPES, recipe, changed)  # type: ignore[attr-defined]

    return change


INGREDIENTS = {
    "config": ("fp32", in_model("model_config.json")),
    "weights": ("fp32", in_model("model.safetensors")),
    "weights of T5": ("fp32", in_model("t5-tiny/model.safetensors")),
    "config of T5": ("fp32", in_model("t5-tiny/config.json")),
    "versions": ("fp32", other_version),
    "code": ("fp32", other_code),
    "tensors": ("fp32", other_tensors),
    "usual sampler": ("fp32", other_sampler),
    "rules": ("int8", other_rules("int8")),
    "rules of the recipe it starts from": ("int8_fast", other_rules("windowed")),
    "onnx2tf": ("onnx2tf", other_onnx2tf),
}


@pytest.mark.parametrize(("recipe", "change"), INGREDIENTS.values(), ids=INGREDIENTS.keys())
def test_a_bundle_follows_from(
    recipe: str, change: Callable[[Path, pytest.MonkeyPatch], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = shutil.copytree(TINY_MODEL_DIR, tmp_path / "model")
    before, again = (described_bundles(model, [RECIPES[recipe]]) for _ in range(2))
    assert before == again
    change(model, monkeypatch)
    assert described_bundles(model, [RECIPES[recipe]]) != before


def test_no_two_recipes_share_a_bundle() -> None:
    described = described_bundles(TINY_MODEL_DIR, RECIPES.values())
    assert all(one != other for name, one in described.items() for called, other in described.items() if name != called)


def test_the_code_that_converts_is_hashed() -> None:
    names = {path.relative_to(Path(sources.__file__).parents[2]).as_posix() for path in code_of(CONVERTING)}
    build = Path(conversions_module.__file__).parent
    written_by = {f"litert_pipeline/build/{path.name}" for path in build.glob("*.py")}
    no_part = ("__init__", "conversions", "installed", "workers", "same_folded")  # the last is what converters of others do
    written_by -= {f"litert_pipeline/build/{name}.py" for name in no_part}
    others = {"reference/model/dit.py", "reference/pipeline.py", "reference/spec/model.py", "litert_pipeline/bundle.py"}
    assert written_by | others <= names
