"""The line-up: what contenders are called, which are judged, and that every bundle that is given is."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures import TINY_MODEL_DIR
from litert_pipeline.bundle import Bundle
from parity.bundles.given import given_bundles, recipes_run_by
from parity.judge.lineup import chosen, contenders_of, labelled
from parity.measure.budget import YARDSTICK
from reference.spec.errors import InputError


def elsewhere(bundle: Bundle, folder: str, recipe: str | None = None) -> Bundle:
    """The same files, said to lie in another folder."""
    manifest = replace(bundle.manifest, recipe=recipe or bundle.manifest.recipe)
    return replace(bundle, folder=Path(folder), manifest=manifest)


def test_every_runtime_of_a_bundle_has_a_name_of_its_own(bundles: Mapping[str, Bundle]) -> None:
    found = contenders_of([bundles["fp32"], bundles["onnx_int8"], bundles["int8_fast"]])
    assert list(found) == [
        YARDSTICK, "torch_upstream", "litert_fp32", "litert_fp32_builtin", "litert_fp32_interpreter", "litert_fp16",
        "onnx_int8", "litert_int8_fast",
    ]  # fmt: skip
    assert all(contender.name == name for name, contender in found.items())


@pytest.mark.parametrize(
    ("folders", "places"), [(("out/a", "out/b"), ("a", "b")), (("one/x", "two/x"), ("one/x", "two/x"))],
    ids=["by folder", "by path where folders are called alike"],
)  # fmt: skip
def test_two_bundles_of_one_recipe_stand_side_by_side(
    bundles: Mapping[str, Bundle], folders: tuple[str, str], places: tuple[str, str]
) -> None:
    found = contenders_of([elsewhere(bundles["int8"], folder) for folder in folders])
    assert [name for name in found if name.startswith("litert")] == [f"litert_int8@{place}" for place in places]
    assert [label for label, _ in labelled(found)] == [f"int8@{place}" for place in places]


def test_where_one_stands_has_a_name(bundles: Mapping[str, Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    found = contenders_of([elsewhere(bundles["int8"], folder) for folder in (".", "../other")])
    assert [label for label, _ in labelled(found)] == ["int8@mine", "int8@other"]


def test_a_recipe_of_ones_own_is_a_contender_like_any_other(bundles: Mapping[str, Bundle]) -> None:
    assert "litert_mine" in contenders_of([elsewhere(bundles["int8"], "out/mine", "mine")])


def test_a_bundle_given_twice_is_told(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    """By whatever path: its checks would stand there twice under two names."""
    (tmp_path / "again").symlink_to(bundles["fp32"].folder, target_is_directory=True)
    with pytest.raises(InputError, match=r"again: is given twice; give each bundle once"):
        given_bundles([bundles["fp32"].folder, tmp_path / "again"], TINY_MODEL_DIR)


def test_the_yardstick_is_always_judged_first(bundles: Mapping[str, Bundle]) -> None:
    contenders = contenders_of([bundles["fp32"]])
    assert chosen(["litert_fp16", YARDSTICK], contenders) == [YARDSTICK, "litert_fp16"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["int9"], "variant 'int9' is none of what can be judged here; valid variants: torch_fp32"),
        (["litert_int8"], "valid variants: torch_fp32"),
        ([YARDSTICK], "none of the variants asked for runs it, so it would not be judged; ask for litert_fp32 or"),
    ],
    ids=["unknown", "of a bundle that is not there", "nothing of the bundle"],
)  # fmt: skip
def test_what_cannot_be_judged_is_refused(bundles: Mapping[str, Bundle], names: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        chosen(names, contenders_of([bundles["fp32"]]))


def test_only_the_bundles_that_are_asked_for_are_made() -> None:
    assert recipes_run_by(["litert_fp16", "onnx_int8", YARDSTICK]) == {"fp32", "onnx_int8"}
    with pytest.raises(InputError, match="variant 'int9' is unknown; valid variants: torch_fp32"):
        recipes_run_by(["int9"])
