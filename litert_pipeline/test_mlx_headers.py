"""A `.safetensors` file for MLX whose header is not what it has to be is told in one sentence, whatever is wrong with it."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from litert_pipeline import mlx_file
from litert_pipeline.mlx_file import METADATA, read_described
from reference.spec.errors import InputError

NO_STAGE, NO_TENSOR = "does not say which stage it is", "is no readable .safetensors file ('x' is no tensor)"
TENSOR = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
HEADERS: dict[str, tuple[Any, str]] = {
    "nothing said": ({"x": TENSOR}, NO_STAGE),
    "a number instead of what is said": ({"x": TENSOR, "__metadata__": 3}, NO_STAGE),
    "no JSON": ({"x": TENSOR, "__metadata__": {METADATA: "dit"}}, NO_STAGE),
    "a number for a tensor": ({"x": 3}, NO_TENSOR),
    "a shape that is none": ({"x": {**TENSOR, "shape": 1}}, NO_TENSOR),
    "a shape of texts": ({"x": {**TENSOR, "shape": ["1"]}}, NO_TENSOR),
    "a type that is none": ({"x": {**TENSOR, "dtype": 32}}, NO_TENSOR),
}


def written(path: Path, header: Any) -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(4))
    return path


@pytest.mark.parametrize("name", HEADERS)
def test_it_is_told(tmp_path: Path, name: str) -> None:
    header, words = HEADERS[name]
    with pytest.raises(InputError) as error:
        read_described(written(tmp_path / "x.safetensors", header))
    assert f"{tmp_path / 'x.safetensors'}: {words}" in str(error.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.safetensors: is no readable .safetensors file \(.*No such file"):
        read_described(tmp_path / "x.safetensors")


def test_no_more_of_a_header_is_read_than_the_format_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlx_file, "MOST_HEADER_BYTES", 8)
    with pytest.raises(InputError, match=r"x\.safetensors: is no readable .safetensors file"):
        read_described(written(tmp_path / "x.safetensors", {"x": TENSOR}))
