"""Constants of ONNX files in all the forms that tools leave them in."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from parity.bundles.arithmetic import stored
from parity.bundles.constants_onnx import onnx_constants
from parity.bundles.interface import read_interface
from parity.bundles.onnx_data import rows_of
from parity.measure.arithmetic import FLOAT32, FP16_COMPUTE, FP32_COMPUTE, STATIC
from reference.spec.errors import InputError
from reference.spec.tensors import Array

WIDTH, OUT = 4, 3
STEP, SCALE, ALPHA = 0.5, 0.25, 2.0  # of what flows, of weights, of a product
ROUNDED = 1e-6  # relative: float32
HALVES = [-8, -1, 0, 7, 3, -4]
FLOATS, BYTES = TensorProto.FLOAT, TensorProto.UINT8


def written(path: Path, nodes: list[onnx.NodeProto], constants: dict[str, Array]) -> Path:
    """A graph of x (1, `WIDTH`) to y (1, `OUT`)."""
    ends = [helper.make_tensor_value_info(name, FLOATS, [1, width]) for name, width in (("x", WIDTH), ("y", OUT))]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], [numpy_helper.from_array(a, n) for n, a in constants.items()])
    onnx.save(helper.make_model(graph), path)
    return path


@pytest.mark.parametrize("raw", [True, False], ids=["packed", "one by one"])
@pytest.mark.parametrize("kind", [TensorProto.INT4, TensorProto.UINT4], ids=["int4", "uint4"])
def test_halves_of_bytes_are_read_however_they_are_stored(tmp_path: Path, kind: int, raw: bool) -> None:
    own = [value if kind == TensorProto.INT4 else value + 8 for value in HALVES]
    proto = helper.make_tensor("w", kind, [2, 3], own)
    if raw:
        packed = [(low & 15) | (high & 15) << 4 for low, high in zip(own[::2], own[1::2], strict=True)]
        proto = helper.make_tensor("w", kind, [2, 3], bytes(packed), raw=True)
    read = rows_of(tmp_path / "none.onnx", proto, (2, 3))
    assert np.array_equal(read(0, 2).reshape(-1), own)
    assert np.array_equal(read(1, 2).reshape(-1), own[3:])


# Operators that ONNX Runtime fuses, with the bias that it takes into them.
FUSED = {
    "DynamicQuantizeMatMul": ["x", "w", "scale", "zero", "bias"],
    "MatMulIntegerToFloat": ["x8", "w", "x_scale", "scale", "x_zero", "zero", "bias"],
}


@pytest.mark.parametrize("operator", FUSED)
def test_biases_of_fused_products_are_constants_and_no_part_of_a_grid(tmp_path: Path, operator: str) -> None:
    first = helper.make_node("DynamicQuantizeLinear", ["x"], ["x8", "x_scale", "x_zero"])
    product = helper.make_node(operator, FUSED[operator], ["y"], domain="com.microsoft")
    constants = {
        "w": np.ones((WIDTH, OUT), np.int8), "scale": np.ones(OUT, np.float32), "zero": np.zeros(OUT, np.int8),
        "bias": np.arange(OUT, dtype=np.float32),
    }  # fmt: skip
    found = {one.name: one for one in onnx_constants(written(tmp_path / "f.onnx", [first, product], constants))}
    assert found.keys() == {"w", "bias"}
    assert np.array_equal(found["bias"].values(), constants["bias"])


def test_a_bias_counts_in_steps_of_what_multiplies_the_products(tmp_path: Path) -> None:
    quantized = helper.make_node("QuantizeLinear", ["x", "step", "zero"], ["x8"])
    given = ["x8", "step", "zero", "w", "scale", "w_zero", "bias"]
    product = helper.make_node("QGemm", given, ["y"], domain="com.microsoft", alpha=ALPHA)
    constants = {
        "step": np.float32(STEP), "zero": np.uint8(128), "w": np.ones((WIDTH, OUT), np.int8), "w_zero": np.zeros(OUT, np.int8),
        "scale": np.full(OUT, SCALE, np.float32), "bias": np.arange(OUT, dtype=np.int32),
    }  # fmt: skip
    found = {one.name: one for one in onnx_constants(written(tmp_path / "g.onnx", [quantized, product], constants))}
    np.testing.assert_allclose(found["bias"].values(), constants["bias"] * (ALPHA * STEP * SCALE), rtol=ROUNDED)


def test_a_few_layers_with_calibrated_feeds_make_a_file_calibrated(tmp_path: Path) -> None:
    """Its largest layer is one of floats."""
    nodes = [
        helper.make_node("MatMul", ["x", "large"], ["wide"]),
        helper.make_node("QuantizeLinear", ["wide", "step", "zero"], ["x8"]),
        helper.make_node("DequantizeLinear", ["x8", "step", "zero"], ["xr"]),
        helper.make_node("DequantizeLinear", ["w", "step"], ["wr"]),
        helper.make_node("MatMul", ["xr", "wr"], ["y"]),
    ]
    constants = {
        "large": np.ones((WIDTH, 256), np.float32), "step": np.float32(STEP), "zero": np.uint8(128),
        "w": np.ones((256, 1), np.int8),
    }  # fmt: skip
    path = written(tmp_path / "few.onnx", nodes, constants)
    assert stored(read_interface(path)).activations == STATIC
    assert stored(read_interface(path)).weights == FLOAT32


def test_a_scale_that_is_computed_is_told(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["scale"], keepdims=0),
        helper.make_node("DequantizeLinear", ["w", "scale"], ["wide"]),
        helper.make_node("MatMul", ["x", "wide"], ["y"]),
    ]
    path = written(tmp_path / "computed.onnx", nodes, {"w": np.ones((WIDTH, OUT), np.int8)})
    with pytest.raises(InputError, match=r"computed.onnx: 'scale' is a scale or zero point and no constant"):
        onnx_constants(path)


@pytest.mark.parametrize(("halves", "compute"), [(1, FP32_COMPUTE), (WIDTH, FP16_COMPUTE)], ids=["a few", "a layer"])
def test_a_file_is_called_after_numbers_that_count(tmp_path: Path, halves: int, compute: str) -> None:
    """One bias in float16 does not make a stage one that is computed in it."""
    large = 256
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["wide"]),
        helper.make_node("Cast", ["wide"], ["wide16"], to=TensorProto.FLOAT16),
        helper.make_node("MatMul", ["wide16", "h"], ["y16"]),
        helper.make_node("Cast", ["y16"], ["y"], to=FLOATS),
    ]
    columns = OUT * halves if halves > 1 else 1
    constants = {"w": np.ones((WIDTH, large), np.float32), "h": np.ones((columns, 2), np.float16)}
    interface = read_interface(written(tmp_path / "mixed.onnx", nodes, constants))
    assert interface.halves == (compute == FP16_COMPUTE)
