"""Every field of a manifest is true or the bundle is refused, or cannot be judged; either way a sentence names the field."""

import copy
import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from litert_pipeline.build.recipes import RECIPES
from litert_pipeline.bundle import MANIFEST_NAME, Bundle, read_bundle
from litert_pipeline.manifest_file import NO_CLAIMS
from parity.bundles.arithmetic import claimed
from parity.judge.artifacts import artifact_checks
from parity.judge.claims import require_same_tensors
from parity.judge.judge import Judge
from parity.meta_tests.test_gate import copied
from reference.spec.errors import InputError
from reference.spec.sampling.releases import SPEC

Place = tuple[str | int, ...]
OTHER_NUMBER = {44_100: 22_050}
OTHER_STRING = {
    "fp32": "fp16", "fp16": "fp32", "onnx": "litert", "litert": "onnx", "int8": "int8_weight_only", "onnx_int8": "onnx_fp32",
    "pingpong": "euler", "float32": "int32", "int32": "float32", "spiece.model": "manifest.json",
}  # fmt: skip
OF_FILES = {"file": "manifest", "sha256": "SHA-256", "size_bytes": "size_bytes"}
SHIFT = {"mu": 1.0, "sine": False}


def leaves(value: Any, place: Place = ()) -> Iterator[Place]:
    """The way to every field that holds no others."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [leaf for key, item in inner for leaf in leaves(item, (*place, key))]
    yield from found or [place]


def altered(value: Any) -> Any:
    """Something else of the same kind, that could stand there."""
    if value is None:
        return SHIFT
    if isinstance(value, str):
        flipped = f"{value[:-1]}{'0' if value[-1] != '0' else '1'}"
        return OTHER_STRING.get(value, flipped)
    return OTHER_NUMBER.get(value, value + 1)


def put(content: Any, place: Place, value: Any) -> Any:
    changed = copy.deepcopy(content)
    at = changed
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    return changed


def value_at(content: Any, place: Place) -> Any:
    for key in place:
        content = content[key]
    return content


def told(folder: Path, judge: Judge, content: Any) -> list[str]:
    """What is said of a bundle with another manifest: the sentence with which it cannot be judged, or those of what is false."""
    (folder / MANIFEST_NAME).write_text(json.dumps(content))
    try:
        bundle = read_bundle(folder)
        require_same_tensors(bundle, judge.model)
        checks = artifact_checks(bundle, judge.model, "bundle", judge.files)
    except InputError as error:
        return [str(error)]
    return [str(check) for check in checks if not check.ok]


def named(place: Place) -> str:
    """What a sentence about a field has in it: its way as far as lists, or what is told of a stage's file."""
    if place[-1] in OF_FILES and place[0] == "stages":
        return OF_FILES[place[-1]]
    words = itertools.takewhile(lambda key: isinstance(key, str), place)
    return ".".join(map(str, words))


@pytest.mark.parametrize("recipe", ["int8", "onnx_int8"])
def test_every_field_is_held_to_the_truth(bundles: Mapping[str, Bundle], judge: Judge, tmp_path: Path, recipe: str) -> None:
    """One altered after the other, names of axes, too."""
    folder = copied(bundles[recipe], tmp_path)
    right = json.loads((folder / MANIFEST_NAME).read_text())
    assert told(folder, judge, right) == []
    said = {place: told(folder, judge, put(right, place, altered(value_at(right, place)))) for place in leaves(right)}
    assert {place: found for place, found in said.items() if not any(named(place) in sentence for sentence in found)} == {}


@pytest.mark.parametrize("recipe", ["fp32", "int8", "int8_weight_only", "int4_blockwise", "fp16_weights", "int8_decoder"])
def test_another_recipe_s_label_is_not_believed(
    bundles: Mapping[str, Bundle], judge: Judge, tmp_path: Path, recipe: str
) -> None:
    """Its arithmetic is told apart from that of every recipe that stores or computes otherwise."""
    folder = copied(bundles[recipe], tmp_path)
    right = json.loads((folder / MANIFEST_NAME).read_text())
    alike = {name for name in bundles if all(same_arithmetic(recipe, name, stage) for stage in right["stages"])}
    said = {name: told(folder, judge, {**right, "recipe": name}) for name in bundles}
    of_format = {name for name in alike if RECIPES[name].format == RECIPES[recipe].format}
    assert {name for name, sentences in said.items() if not sentences} == of_format
    assert all("of recipe int4_blockwise" in one for one in said["int4_blockwise"][:1])


def same_arithmetic(recipe: str, other: str, stage: str) -> bool:
    return claimed(RECIPES[recipe], stage) == claimed(RECIPES[other], stage)


@pytest.mark.parametrize("key", ["name", "axes"])
def test_axes_and_order_of_tensors_are_held_to_the_truth(
    bundles: Mapping[str, Bundle], judge: Judge, tmp_path: Path, key: str
) -> None:
    folder = copied(bundles["fp32"], tmp_path)
    content = json.loads((folder / MANIFEST_NAME).read_text())
    inputs = content["stages"]["dit"]["inputs"]
    if key == "axes":
        inputs[0]["axes"] = {f"{name}_": length for name, length in inputs[0]["axes"].items()}
    else:
        inputs.reverse()
    (sentence,) = told(folder, judge, content)
    assert "stages.dit.inputs" in sentence


def test_a_field_nobody_knows_cannot_be_judged(bundles: Mapping[str, Bundle], judge: Judge, tmp_path: Path) -> None:
    folder = copied(bundles["fp32"], tmp_path)
    content = json.loads((folder / MANIFEST_NAME).read_text())
    (sentence,) = told(folder, judge, {**content, "snr_db": 90})
    assert "'snr_db'" in sentence


def test_what_earlier_versions_wrote_is_no_claim(bundles: Mapping[str, Bundle], judge: Judge, tmp_path: Path) -> None:
    folder = copied(bundles["fp32"], tmp_path)
    content = json.loads((folder / MANIFEST_NAME).read_text())
    assert not set(content) & set(NO_CLAIMS)
    assert told(folder, judge, {**content, "versions": {}, "conversion": "plain"}) == []
    without_spec = {key: value for key, value in content["sampler"].items() if key != SPEC}
    assert len(without_spec) < len(content["sampler"])
    assert told(folder, judge, {**content, "sampler": without_spec}) == []  # there was one state of upstream then
