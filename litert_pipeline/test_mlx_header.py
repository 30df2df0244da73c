"""What the header of an MLX file says is held to what can be, and to the tensors that are there, when it is read."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from fixtures import TINY_MODEL_DIR
from litert_pipeline.mlx_file import METADATA, described, read_described, read_described_as
from litert_pipeline.mlx_header import Quantized
from reference.spec.config import CONFIG_NAME, read_model_spec
from reference.spec.errors import InputError
from reference.spec.model import ModelSpec
from reference.spec.stages import ALL_STAGES
from reference.spec.tensors import Array

LAYER, ROWS, WORDS, GROUPS = "some.layer", 8, 32, 2  # 128 values of 8 bits in groups of 64
FLOATS = 40  # other tensors

Told = dict[str, Any]
Stored = dict[str, Array]
Change = Callable[[Told, Stored], object]


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return read_model_spec(TINY_MODEL_DIR / CONFIG_NAME, lambda name: TINY_MODEL_DIR / name)


def written(path: Path, spec: ModelSpec, stage: str, change: Change) -> Path:
    """A file with one quantized layer, after something was done to what it says and to its tensors."""
    told: Told = json.loads(json.dumps(asdict(described(spec, stage))))
    told["quantized"] = {LAYER: {"bits": 8, "group_size": 64}}
    grid = np.ones((ROWS, GROUPS), np.float32)
    stored: Stored = {f"float.{place}": np.zeros(1, np.float32) for place in range(FLOATS)}
    stored |= {f"{LAYER}.weight": np.zeros((ROWS, WORDS), np.uint32), f"{LAYER}.scales": grid, f"{LAYER}.biases": grid.copy()}
    change(told, stored)
    save_file(stored, path, metadata={METADATA: json.dumps(told)})
    return path


def how(**said: Any) -> Change:
    return lambda told, stored: told["quantized"][LAYER].update(said)


def part(name: str, change: Callable[[Array], Array]) -> Change:
    return lambda told, stored: stored.update({f"{LAYER}.{name}": change(stored[f"{LAYER}.{name}"])})


def without(name: str) -> Change:
    return lambda told, stored: stored.pop(f"{LAYER}.{name}")


def renamed(told: Told, stored: Stored) -> None:
    stored[f"{LAYER}.scale"] = stored.pop(f"{LAYER}.scales")


QUANTIZED: dict[str, tuple[Change, str]] = {
    "another layer": (
        lambda told, stored: told["quantized"].update(other={"bits": 8, "group_size": 64}), r"there is no 'other\.weight'",
    ),
    "biases are missing": (without("biases"), r"there is no 'some\.layer\.biases'"),
    "biases of other rows": (part("biases", lambda array: array[:-1]), r"biases F32\[7, 2\]"),
    "bits 4": (how(bits=4), r"a matrix in 4 bits and groups of 64, expected .*found weight U32\[8, 32\]"),
    "bits 7": (how(bits=7), r"bits' is 7, supported: 4, 8"),
    "bits are missing": (lambda told, stored: told["quantized"][LAYER].pop("bits"), r"bits' is missing"),
    "bits are null": (how(bits=None), r"bits' must be int, found NoneType null"),
    "bits are text": (how(bits="8"), r"bits' must be int, found str \"8\""),
    "bits are true": (how(bits=True), r"bits' must be int, found bool true"),
    "groups of 0": (how(group_size=0), r"group_size' is 0, supported: 32, 64, 128"),
    "groups of 128": (how(group_size=128), r"groups of 128, expected .*scales F32\[8, 2\]"),
    "groups of 32": (how(group_size=32), r"groups of 32, expected .*scales F32\[8, 2\]"),
    "groups of 48": (how(group_size=48), r"group_size' is 48, supported"),
    "groups of 64.0": (how(group_size=64.0), r"group_size' must be int, found float"),
    "groups of -64": (how(group_size=-64), r"group_size' is -64, supported"),
    "levels are missing": (without("weight"), r"there is no 'some\.layer\.weight'"),
    "levels of int32": (part("weight", lambda array: array.view(np.int32)), r"found weight I32\[8, 32\]"),
    "levels of three axes": (part("weight", lambda array: array[..., None]), r"found weight U32\[8, 32, 1\]"),
    "levels that fill no group": (part("weight", lambda array: np.pad(array, ((0, 0), (0, 1)))), r"found weight U32\[8, 33\]"),
    "no object": (lambda told, stored: told.update(quantized=[]), r"quantized must be an object, found list"),
    "scales are missing": (without("scales"), r"there is no 'some\.layer\.scales'"),
    "scales are renamed": (renamed, r"there is no 'some\.layer\.scales'"),
    "scales of float64": (part("scales", lambda array: array.astype("f8")), r"scales F64\[8, 2\]"),
    "scales of uint32": (part("scales", lambda array: array.astype("u4")), r"scales U32\[8, 2\]"),
    "unknown key": (how(mode="affine"), r"unknown or unsupported key 'quantized\.some\.layer\.mode'"),
}


@pytest.mark.parametrize("name", QUANTIZED)
def test_a_quantized_layer_that_is_not_stored_as_it_is_said_is_told(spec: ModelSpec, tmp_path: Path, name: str) -> None:
    change, sentence = QUANTIZED[name]
    path = written(tmp_path / "x.safetensors", spec, "dit", change)
    with pytest.raises(InputError, match=rf"x\.safetensors: .*{sentence}.*\(in its header\); convert it again"):
        read_described(path)


def test_groups_of_null_are_mlx_s_own(spec: ModelSpec, tmp_path: Path) -> None:
    path = written(tmp_path / "x.safetensors", spec, "dit", how(group_size=None))
    assert read_described(path).quantized == {LAYER: Quantized(bits=8, group_size=64)}


@pytest.mark.parametrize("kind", ["float16", "float32"])
def test_what_is_stored_as_it_is_said_is_taken(spec: ModelSpec, tmp_path: Path, kind: str) -> None:
    def halves(told: Told, stored: Stored) -> None:
        stored.update({f"{LAYER}.{name}": np.ones((ROWS, GROUPS), kind) for name in ("scales", "biases")})

    assert read_described(written(tmp_path / "x.safetensors", spec, "dit", halves)).quantized.keys() == {LAYER}


def said(stage: str, where: str, **values: Any) -> tuple[str, Change]:
    """A stage, and values that its header says of a part."""
    return stage, lambda told, stored: told["parts"][where].update(values)


def first_number(**values: Any) -> tuple[str, Change]:
    return "conditioner", lambda told, stored: told["parts"]["numbers"][0].update(values)


def told_of(wanted: str, **values: Any) -> tuple[str, Change]:
    return wanted, lambda told, stored: told.update(values)


SAID: dict[str, tuple[tuple[str, Change], str]] = {
    "c_mults too few": (said("decoder", "codec", c_mults=[1]), "has 1 c_mults but"),
    "depth below 0": (said("dit", "transformer", depth=-1), "depth' must be at least 1"),
    "depth beyond tensors": (said("dit", "transformer", depth=10**9), "depth' is 1000000000, and it holds 43 tensors"),
    "depth of text": (said("dit", "transformer", depth="3"), "depth' must be int, found str"),
    "embed_dim beyond any": (said("dit", "transformer", embed_dim=1e30), "embed_dim' must be int, found float"),
    "epsilon that is no number": (said("conditioner", "t5", layer_norm_epsilon=float("nan")), "finite number"),
    "epsilon of text": (said("conditioner", "t5", layer_norm_epsilon="x"), "layer_norm_epsilon' must be float, found str"),
    "codec null": (told_of("decoder", parts={"codec": None, "chunks": None}), r"parts\.codec must be an object"),
    "heads 0": (said("dit", "transformer", num_heads=0), "num_heads' must be at least 1"),
    "heads of a part": (said("dit", "transformer", num_heads=3), "gives no whole heads"),
    "heads of true": (said("dit", "transformer", num_heads=True), "num_heads' must be int, found bool"),
    "key unknown": (said("dit", "transformer", foo=1), r"unsupported key 'parts\.transformer\.foo'"),
    "layers beyond tensors": (said("conditioner", "t5", num_layers=44), "num_layers' is 44, and it holds 43 tensors"),
    "modulation unknown": (said("dit", "transformer", global_cond_type="film"), "global_cond_type' is 'film'"),
    "numbers of no range": (first_number(min_s=512.0), "needs min_val < max_val"),
    "numbers unknown": (first_number(name="bpm"), "name' is 'bpm'"),
    "numbers none": (
        ("conditioner", lambda told, stored: told["parts"].update(numbers=[])), r"names \[\], expected one or more",
    ),
    "numbers twice": (
        ("conditioner", lambda told, stored: told["parts"].update(numbers=told["parts"]["numbers"][:1] * 2)),
        "names .*, expected one or more",
    ),
    "overlap of all": (
        ("decoder", lambda told, stored: told["parts"].update(chunks={"frames": 8, "overlap": 8})),
        "an overlap below the 8 frames",
    ),
    "parts of another stage": (told_of("dit", stage="decoder"), r"key 'parts\.codec' is missing"),
    "patch of 0": (said("dit", "transformer", patch_size=0), "patch_size' must be at least 1"),
    "projection of text": (said("dit", "transformer", project_cond_tokens="no"), "project_cond_tokens' must be bool"),
    "qk_norm unknown": (said("dit", "transformer", qk_norm="zzz"), "qk_norm' is 'zzz', .*supported: none, ln, l2"),
    "stage unknown": (told_of("dit", stage="zz"), "stage' is 'zz'"),
    "strides of none": (said("encoder", "codec", strides=[]), "strides' must be a list of positive ints"),
    "strides odd": (said("encoder", "codec", strides=[3]), "needs even strides"),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_a_header_that_says_what_no_model_has_is_told(spec: ModelSpec, tmp_path: Path, name: str) -> None:
    (stage, change), sentence = SAID[name]
    path = written(tmp_path / "x.safetensors", spec, stage, change)
    with pytest.raises(InputError, match=rf"x\.safetensors: .*{sentence}.*\(in its header\); convert it again"):
        read_described(path)


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_another_stage_s_file_is_told(spec: ModelSpec, tmp_path: Path, stage: str) -> None:
    path = written(tmp_path / "x.safetensors", spec, stage, lambda told, stored: None)
    assert read_described_as(path, stage).stage == stage
    for other in set(ALL_STAGES) - {stage}:
        with pytest.raises(InputError, match=rf"x\.safetensors: is of stage '{stage}', expected one of stage '{other}'"):
            read_described_as(path, other)


@pytest.mark.parametrize("entry", [1, {}, {"dtype": 1, "shape": []}, {"dtype": "F32", "shape": ["1"]}], ids=str)
def test_an_entry_that_is_no_tensor_is_told(tmp_path: Path, entry: object) -> None:
    header = json.dumps({"x": entry}).encode()
    (tmp_path / "x.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(InputError, match=r"x\.safetensors: is no readable .safetensors file \('x' is no tensor\)"):
        read_described(tmp_path / "x.safetensors")
