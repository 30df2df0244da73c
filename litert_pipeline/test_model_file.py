"""An ONNX file is the same model only with the same data beside it, and data has to lie beside it."""

import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from litert_pipeline.bundle import Bundle
from litert_pipeline.model_file import parts_of, sha256_of_model, size_of_model
from reference.spec.errors import InputError
from reference.spec.files import POINTER, sha256_of

DATA = "weights.data"


def with_external_data(source: Path, folder: Path) -> Path:
    """A copy of an ONNX file whose weights lie in `DATA`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / source.name
    onnx.save(onnx.load(source), path, save_as_external_data=True, location=f"{source.stem}.{DATA}", size_threshold=0)
    return path


def elsewhere(path: Path, location: str) -> None:
    """Let every tensor of a model lie in another file."""
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = location if entry.key == "location" else entry.value
    path.write_bytes(model.SerializeToString())


def test_a_file_without_external_data_is_its_own_hash(bundles: Mapping[str, Bundle]) -> None:
    for recipe in ("fp32", "onnx_fp32"):
        path = bundles[recipe].path("dit")
        assert parts_of(path) == (path,)
        assert sha256_of_model(path) == sha256_of(path)
        assert size_of_model(path) == path.stat().st_size


def test_equal_files_with_other_data_are_other_models(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    path = with_external_data(bundles["onnx_fp32"].path("dit"), tmp_path / "one")
    own, data = parts_of(path)
    assert (own, data.name) == (path, f"dit.{DATA}")
    assert size_of_model(path) == own.stat().st_size + data.stat().st_size
    other = Path(shutil.copytree(tmp_path / "one", tmp_path / "other")) / path.name
    assert sha256_of_model(other) == sha256_of_model(path)
    spoiled = bytearray((other.parent / data.name).read_bytes())
    spoiled[len(spoiled) // 2] ^= 1
    (other.parent / data.name).write_bytes(spoiled)
    assert sha256_of(other) == sha256_of(path)
    assert sha256_of_model(other) != sha256_of_model(path)


def gone(path: Path) -> None:
    parts_of(path)[1].unlink()


def cut_off(path: Path) -> None:
    data = parts_of(path)[1]
    data.write_bytes(data.read_bytes()[:-1])


BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing": (gone, "no such file, though dit.onnx keeps its data there"),
    "cut off": (cut_off, "it is truncated or another model's"),
    "above": (lambda path: elsewhere(path, "../dit.weights.data"), "expected a file in its own folder"),
    "above, in disguise": (lambda path: elsewhere(path, "a/../../x"), "expected a file in its own folder"),
    "anywhere": (lambda path: elsewhere(path, "/etc/passwd"), "expected a file in its own folder"),
    "in memory": (lambda path: elsewhere(path, "*/_ORT_MEM_ADDR_/*"), "no such file"),
    "nowhere": (lambda path: elsewhere(path, ""), "expected a file in its own folder"),
    "empty": (lambda path: path.write_bytes(b""), "damaged ONNX model"),
    "no model": (lambda path: path.write_bytes(b"\xff" * 5000), "damaged ONNX model"),
}


@pytest.mark.parametrize("kind", BAD)
def test_data_that_is_not_there_is_told_in_one_sentence(bundles: Mapping[str, Bundle], tmp_path: Path, kind: str) -> None:
    path = with_external_data(bundles["onnx_fp32"].path("dit"), tmp_path)
    change, words = BAD[kind]
    change(path)
    with pytest.raises(InputError) as raised:
        sha256_of_model(path)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def test_data_of_inner_graphs_and_attributes_is_found(tmp_path: Path) -> None:
    """A constant inside a branch of an If, one in an attribute, one that is sparse."""
    path = tmp_path / "nested.onnx"
    names = ("then", "else", "constant")
    tensors = [numpy_helper.from_array(np.arange(4, dtype=np.float32), name) for name in names]
    for tensor in tensors:
        onnx.external_data_helper.set_external_data(tensor, location=f"{tensor.name}.bin", offset=0, length=16)
        tensor.ClearField("raw_data")
        (tmp_path / f"{tensor.name}.bin").write_bytes(bytes(16))
    branches = {
        f"{name}_branch": helper.make_graph(
            [helper.make_node("Identity", [name], [f"{name}_out"])], name, [], [out(f"{name}_out")], initializer=[tensor]
        )
        for name, tensor in zip(names, tensors[:2], strict=False)
    }
    nodes = [
        helper.make_node("Constant", [], ["c"], value=tensors[2]), helper.make_node("If", ["condition"], ["y"], **branches)
    ]
    condition = helper.make_tensor_value_info("condition", TensorProto.BOOL, [])
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", [condition], [out("y")])), path)
    assert [part.name for part in parts_of(path)] == ["nested.onnx", "constant.bin", "else.bin", "then.bin"]


def out(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [4])


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "any.onnx"
    path.write_bytes(data)
    with suppress(InputError):
        assert parts_of(path)[0] == path


def naming(path: Path, location: str) -> Path:
    """An ONNX model of one tensor, whose data is said to be there."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    onnx.save(helper.make_model(helper.make_graph([], "g", [], [], initializer=[tensor])), path)
    return path


@pytest.mark.parametrize("location", ["", "..", "a/../../x", "/etc/passwd", "..\\x", "C:\\x", "a\0b"], ids=repr)
def test_no_system_s_other_folders_are_read(tmp_path: Path, location: str) -> None:
    with pytest.raises(InputError, match=r"x\.onnx: keeps data in '.*', expected a file in its own folder"):
        parts_of(naming(tmp_path / "x.onnx", location))


DAMAGED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut off": (lambda data: data[:-1], "a field at byte [0-9]+ ends behind its message"),
    "a number without end": (lambda data: b"\xff" * 12, "a number at byte 0 has no end"),
    "a number that is cut off": (lambda data: data + b"\xff", "index out of range"),
    "of no kind": (lambda data: data + b"\x07", "a field of kind 7"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_model_that_is_damaged_is_told(tmp_path: Path, name: str) -> None:
    change, words = DAMAGED[name]
    path = naming(tmp_path / "x.onnx", "x.bin")
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError, match=rf"x\.onnx: is a damaged ONNX model \(.*{words}.*\); copy or convert it again"):
        parts_of(path)


def test_a_model_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.onnx: cannot be read \(No such file or directory\); expected an ONNX model"):
        parts_of(tmp_path / "x.onnx")


def test_data_that_was_not_fetched_is_told(bundles: Mapping[str, Bundle], tmp_path: Path) -> None:
    _, data = parts_of(path := with_external_data(bundles["onnx_fp32"].path("dit"), tmp_path))
    data.write_bytes(POINTER)
    with pytest.raises(InputError, match=f"{data.name}: is a pointer to a file in Git LFS"):
        size_of_model(path)
