"""Files for MLX: what lies in them is what the model has, wherever in memory it lay, and they say what they are."""

import json
import struct
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch.nn import functional as F

from fixtures import TINY_MODEL_DIR
from litert_pipeline.build.mlx import channels_last_tensors, quantize_mlx, write_mlx
from litert_pipeline.build.rewrites import PlainConv, PlainUpConv
from litert_pipeline.build.stage import WEIGHTS, exportable
from litert_pipeline.mlx_file import METADATA, READABLE, described, read_described, write_tensors
from litert_pipeline.mlx_header import Quantized
from reference.pipeline import Model, load_model
from reference.spec.errors import InputError
from reference.spec.model import ChunkSpec
from reference.spec.stages import ALL_STAGES
from reference.spec.tensors import Array

SIZE = struct.Struct("<Q")
HALF = [{"modules": "", "dtype": "float16"}]


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(TINY_MODEL_DIR)


@pytest.fixture(scope="module")
def files(model: Model, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("mlx")
    for stage in ALL_STAGES:
        write_mlx(exportable(model, stage, WEIGHTS), model.spec, stage, folder / f"{stage}.safetensors")
    return {stage: folder / f"{stage}.safetensors" for stage in ALL_STAGES}


def by_hand(path: Path) -> dict[str, Array]:
    """The tensors of a file, read by what the format says and by nobody's library."""
    data = path.read_bytes()
    (size,) = SIZE.unpack(data[: SIZE.size])
    header, body = json.loads(data[SIZE.size : SIZE.size + size]), data[SIZE.size + size :]
    kinds = {"F32": np.float32, "F16": np.float16}
    found = {}
    for name, entry in header.items():
        if name != "__metadata__":
            start, stop = entry["data_offsets"]
            found[name] = np.frombuffer(body[start:stop], kinds[entry["dtype"]]).reshape(entry["shape"])
    return found


STRIDES: dict[str, Callable[[Array], Array]] = {
    "contiguous": lambda array: array,
    "transposed": lambda array: array.transpose(2, 0, 1),
    "reversed": lambda array: array[:, ::-1],
    "every second": lambda array: array[::2],
    "broadcast": lambda array: np.broadcast_to(array[:1], array.shape),
    "Fortran's order": np.asfortranarray,
}


@pytest.mark.parametrize("strides", STRIDES)
def test_what_is_written_does_not_follow_from_strides(model: Model, tmp_path: Path, strides: str) -> None:
    """safetensors 0.8.0 writes memory as it lies (huggingface/safetensors#825)."""
    array = STRIDES[strides](np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4))
    write_tensors(tmp_path / "x.safetensors", {"x": array}, described(model.spec, "dit"))
    assert np.array_equal(by_hand(tmp_path / "x.safetensors")["x"], array)


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_names_are_the_module_s_and_flat(model: Model, files: dict[str, Path], stage: str) -> None:
    module = exportable(model, stage, WEIGHTS)
    assert by_hand(files[stage]).keys() == module.state_dict().keys()


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_the_same_stage_is_the_same_bytes(model: Model, files: dict[str, Path], tmp_path: Path, stage: str) -> None:
    write_mlx(exportable(model, stage, WEIGHTS), model.spec, stage, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == files[stage].read_bytes()


def test_kernels_are_output_position_input(model: Model, files: dict[str, Path]) -> None:
    """One value of each convolution, asked for by its place: what an impulse at one input leaves at one output."""
    module, stored = exportable(model, "decoder", WEIGHTS), by_hand(files["decoder"])
    kinds = {}
    for path, part in module.named_modules():
        if isinstance(part, (PlainConv, PlainUpConv)):
            own, (out, place, came) = stored[f"{path}.weight"], (1, 2, 0)
            place = min(place, own.shape[1] - 1)
            impulse = part.weight.new_zeros(1, own.shape[2], 64)
            impulse[0, came, 32] = 1
            kernel = part.weight
            if isinstance(part, PlainUpConv):
                answer = F.conv_transpose1d(impulse, kernel, None, part.stride, part.padding)
                at = 32 * part.stride + place - part.padding
            else:
                answer = F.conv1d(impulse, kernel, None, part.stride, part.padding, part.dilation)
                at = 32 + part.padding - place * part.dilation
            assert answer[0, out, at] == own[out, place, came], path
            kinds[type(part)] = path
    assert kinds.keys() == {PlainConv, PlainUpConv}


def test_views_are_strided_until_they_are_written(model: Model) -> None:
    """Else nothing here would be tested."""
    views = dict(channels_last_tensors(exportable(model, "decoder", WEIGHTS)))
    assert any(not array.flags.c_contiguous for array in views.values())


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_a_file_says_what_it_is(model: Model, files: dict[str, Path], stage: str) -> None:
    assert read_described(files[stage]) == described(model.spec, stage)


def test_windows_and_quantized_layers_are_said(model: Model, tmp_path: Path) -> None:
    what = described(replace(model.spec, chunks=ChunkSpec(frames=32, overlap=8)), "decoder")
    what = replace(what, quantized={"a.b": Quantized(bits=4, group_size=64)})
    grid = np.ones((3, 2), np.float32)
    tensors = {"a.b.weight": np.zeros((3, 16), np.uint32), "a.b.scales": grid, "a.b.biases": grid}
    write_tensors(tmp_path / "x.safetensors", tensors, what)
    assert read_described(tmp_path / "x.safetensors") == what


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_float16_leaves_frequencies_and_number_embedders(files: dict[str, Path], tmp_path: Path, stage: str) -> None:
    quantize_mlx(files[stage], tmp_path / "half.safetensors", HALF, "mlx_fp16")
    before, after = by_hand(files[stage]), by_hand(tmp_path / "half.safetensors")
    kept = {name for name, array in after.items() if array.dtype == np.float32}
    assert all(array.dtype in (np.float16, np.float32) for array in after.values())
    assert all(np.array_equal(after[name], array.astype(after[name].dtype)) for name, array in before.items())
    embedder = "conditioners.seconds_total.embedder.embedding"
    assert kept == {
        "conditioner": {f"{embedder}.0.weights", f"{embedder}.1.weight", f"{embedder}.1.bias"},
        "dit": {"transformer.rotary_pos_emb.inv_freq", "timestep_features.weight"}, "decoder": set(), "encoder": set(),
    }[stage]  # fmt: skip


def test_who_may_read_a_bundle_s_other_files_may_read_these(files: dict[str, Path]) -> None:
    assert all(path.stat().st_mode & 0o777 == READABLE for path in files.values())


def test_without_mlx_quantizing_says_what_to_install(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlx.core", None)
    rules = [{"modules": r"layers\.0\.", "bits": 8, "group_size": 64}]
    with pytest.raises(InputError, match=r"recipe 'mine': MLX is what quantizes, and it is not installed .*\[mlx\]"):
        quantize_mlx(files["dit"], tmp_path / "q.safetensors", rules, "mine")
    assert not (tmp_path / "q.safetensors").exists()


DAMAGED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut off in its header": (lambda data: data[:100], r"x\.safetensors: is no readable .safetensors file"),
    "a header beyond its end": (lambda data: SIZE.pack(2**60) + data[8:], f"is said to be {2**60} bytes, [0-9]+ follow"),
    "empty": (lambda data: b"", r"x\.safetensors: is no readable .safetensors file"),
    "a number for a header": (lambda data: SIZE.pack(1) + b"1", "its header is no table"),
    "somebody else's": (lambda data: data.replace(METADATA.encode(), b"x" * len(METADATA)), "does not say which stage it is"),
    "a spec of another version": (lambda data: data.replace(b"num_heads", b"mum_heads"), r"transformer\.num_heads' is missing"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_file_that_does_not_say_what_it_is_is_told_in_one_sentence(
    files: dict[str, Path], tmp_path: Path, damage: str
) -> None:
    change, sentence = DAMAGED[damage]
    (tmp_path / "x.safetensors").write_bytes(change(files["dit"].read_bytes()))
    with pytest.raises(InputError, match=sentence):
        read_described(tmp_path / "x.safetensors")
