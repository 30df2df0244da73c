"""A calibrated graph without its rounding is one of floats: what stood between two roundings is left, and a gain among it is."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from parity.bundles.unrounded import write_unrounded
from reference.spec.tensors import Array

ROWS, WIDTH, OUT = 3, 8, 4
STEP, ZERO = np.float32(0.02), np.uint8(128)  # of what flows
SAME = 2e-6  # relative: another order of the same float32 sums, and of a gain the product
ROUNDED = 1e-3  # relative: less than rounding to 256 levels costs
NO_MORE_THAN_ROUNDED = 0.05  # relative: a feed of 256 levels; measured 0.014
ALPHA = 2.0  # what QGemm multiplies products with, its bias among them: that counts in steps of alpha
MOVED = 1.1  # a grid that is read with another step than it was written with
SHIFTED = 8  # levels that a grid is read with another zero


def arrays(read_step: float = STEP, read_zero: int = ZERO) -> dict[str, Array]:
    rng = np.random.Generator(np.random.Philox(0))
    weight = rng.integers(-127, 128, (WIDTH, OUT)).astype(np.int8)
    return {
        "step": STEP, "zero": ZERO, "read_step": np.float32(read_step), "read_zero": np.uint8(read_zero),
        "weight_zero": np.zeros(OUT, np.int8), "weight": weight, "turned": weight.T.copy(), "kernel": weight.T[..., None].copy(),
        "deep": np.array([ROWS, WIDTH, 1], np.int64), "flat": np.array([ROWS, OUT], np.int64),
        "weight_step": np.linspace(0.01, 0.02, OUT).astype(np.float32),
        "bias": rng.integers(-500, 500, OUT).astype(np.int32),
        "shape": np.array([ROWS, WIDTH], np.int64), "many": np.full(WIDTH, read_step, np.float32),
        "many_zeros": np.full(WIDTH, ZERO, np.uint8),
    }  # fmt: skip


def pairs() -> list[onnx.NodeProto]:
    """As quantize_static writes it, with what only rearranges between two halves of a pair."""
    return [
        helper.make_node("QuantizeLinear", ["x", "step", "zero"], ["x8"]),
        helper.make_node("Reshape", ["x8", "shape"], ["x8r"]),
        helper.make_node("DequantizeLinear", ["x8r", "read_step", "read_zero"], ["xr"]),
        helper.make_node("DequantizeLinear", ["weight", "weight_step", "weight_zero"], ["w"], axis=1),
        helper.make_node("MatMul", ["xr", "w"], ["y32"]),
        helper.make_node("QuantizeLinear", ["y32", "step", "zero"], ["y8"]),
        helper.make_node("DequantizeLinear", ["y8", "step", "zero"], ["y"]),
    ]


def operators(product: str = "QLinearMatMul") -> list[onnx.NodeProto]:
    """The same as one operator on integers."""
    weights = ["weight", "weight_step", "weight_zero"]
    own = ["bias", "step", "zero"] if product == "QGemm" else ["step", "zero"]
    domain = "com.microsoft" if product == "QGemm" else ""
    return [
        helper.make_node("QuantizeLinear", ["x", "step", "zero"], ["x8"]),
        helper.make_node(product, ["x8", "step", "zero", *weights, *own], ["y8"], domain=domain),
        helper.make_node("DequantizeLinear", ["y8", "step", "zero"], ["y"]),
    ]


def gemm(*outputs: str, **attributes: float) -> list[onnx.NodeProto]:
    """QGemm as it may be, too: its weights turned, its answer a float where no grid for it is given."""
    weight = "turned" if attributes.get("transB") else "weight"
    given = ["x8", "step", "zero", weight, "weight_step", "weight_zero", "bias", *outputs]
    nodes = [operators()[0], helper.make_node("QGemm", given, ["y8" if outputs else "y"], domain="com.microsoft", **attributes)]
    return [*nodes, operators()[-1]] if outputs else nodes


def convolution() -> list[onnx.NodeProto]:
    """QLinearConv, whose weights have their scales in front."""
    given = ["x8d", "step", "zero", "kernel", "weight_step", "weight_zero", "step", "zero", "bias"]
    return [
        operators()[0],
        helper.make_node("Reshape", ["x8", "deep"], ["x8d"]),
        helper.make_node("QLinearConv", given, ["y8d"]),
        helper.make_node("Reshape", ["y8d", "flat"], ["y8"]),
        operators()[-1],
    ]


def written(path: Path, nodes: list[onnx.NodeProto], constants: dict[str, Array]) -> Path:
    tensors = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [ROWS, width]) for name, width in (("x", WIDTH), ("y", OUT))
    ]
    used = {name for node in nodes for name in node.input}
    held = [numpy_helper.from_array(array, name) for name, array in constants.items() if name in used]
    graph = helper.make_graph(nodes, "g", tensors[:1], tensors[1:], held)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path


def answer(path: Path, x: Array) -> Array:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["y"], {"x": x})[0]


def expected(x: Array, *, bias: bool = False) -> Array:
    constants = arrays()
    weight = constants["weight"] * constants["weight_step"]
    added = constants["bias"] * (STEP * constants["weight_step"]) if bias else 0.0
    return x @ weight + added


def fed() -> Array:
    return np.random.Generator(np.random.Philox(1)).standard_normal((ROWS, WIDTH), np.float32) / 2


@pytest.mark.parametrize(("nodes", "bias"), [
    (pairs(), False), (operators(), False), (operators("QGemm"), True), (gemm("step", "zero", transB=1), True), (gemm(), True),
    (convolution(), True), (gemm(alpha=ALPHA), True),
], ids=["pairs", "QLinearMatMul", "QGemm", "QGemm turned", "QGemm to floats", "QLinearConv", "QGemm with alpha"])  # fmt: skip
def test_what_is_left_is_the_product_of_floats(tmp_path: Path, nodes: list[onnx.NodeProto], bias: bool) -> None:
    path, x = written(tmp_path / "rounded.onnx", nodes, arrays()), fed()
    assert write_unrounded(path, tmp_path / "plain.onnx")
    right = expected(x, bias=bias) * next((entry.f for node in nodes for entry in node.attribute if entry.name == "alpha"), 1.0)
    np.testing.assert_allclose(answer(tmp_path / "plain.onnx", x), right, rtol=0, atol=SAME * np.abs(right).max())
    assert np.abs(answer(path, x) - right).max() > ROUNDED * np.abs(right).max()


@pytest.mark.parametrize("alpha", [1.0, ALPHA])
def test_a_bias_counts_in_the_steps_that_the_runtime_counts_it_in(tmp_path: Path, alpha: float) -> None:
    """So that what was rounded is near to what was not."""
    path, x = written(tmp_path / "rounded.onnx", gemm(alpha=alpha), arrays()), fed()
    assert write_unrounded(path, tmp_path / "plain.onnx")
    right = answer(tmp_path / "plain.onnx", x)
    assert np.abs(answer(path, x) - right).max() <= NO_MORE_THAN_ROUNDED * np.abs(right).max()


def test_a_grid_that_is_read_as_another_is_a_gain(tmp_path: Path) -> None:
    path, x = written(tmp_path / "moved.onnx", pairs(), arrays(read_step=MOVED * STEP)), fed()
    assert write_unrounded(path, tmp_path / "plain.onnx")
    right = MOVED * expected(x)
    np.testing.assert_allclose(answer(tmp_path / "plain.onnx", x), right, rtol=0, atol=SAME * np.abs(right).max())


def test_a_zero_that_is_read_as_another_is_added(tmp_path: Path) -> None:
    path, x = written(tmp_path / "shifted.onnx", pairs(), arrays(read_zero=ZERO - SHIFTED)), fed()
    assert write_unrounded(path, tmp_path / "plain.onnx")
    right = expected(x + SHIFTED * STEP)
    np.testing.assert_allclose(answer(tmp_path / "plain.onnx", x), right, rtol=0, atol=SAME * np.abs(right).max())


def test_scales_may_be_nodes_of_the_graph(tmp_path: Path) -> None:
    constants, x = arrays(), fed()
    held = helper.make_node("Constant", [], ["step"], value=numpy_helper.from_array(constants.pop("step"), "step"))
    path = written(tmp_path / "rounded.onnx", [held, *pairs()], constants)
    assert write_unrounded(path, tmp_path / "plain.onnx")
    right = expected(x)
    np.testing.assert_allclose(answer(tmp_path / "plain.onnx", x), right, rtol=0, atol=SAME * np.abs(right).max())


READ = helper.make_node("DequantizeLinear", ["x8r", "many", "many_zeros"], ["xr"], axis=1)
# What stands between two halves of a pair, and which nodes of `pairs` are left out for it.
UNKNOWN = {
    "nobody knows": (slice(1, 2), [helper.make_node("MaxPool", ["x8"], ["x8r"], kernel_shape=[1])]),
    "two grids": (slice(1, 2), [
        helper.make_node("QuantizeLinear", ["x", "read_step", "zero"], ["other8"]),
        helper.make_node("Concat", ["x8", "other8"], ["x8r"], axis=0),
    ]),
    "read on as many grids as there are channels": (slice(2, 3), [READ]),
    "rounded as it comes": (slice(4, 5), [
        helper.make_node("DynamicQuantizeLinear", ["xr"], ["d8", "d_step", "d_zero"]),
        helper.make_node("MatMulInteger", ["d8", "weight", "d_zero"], ["whole"]),
        helper.make_node("Cast", ["whole"], ["y32"], to=TensorProto.FLOAT),
    ]),
}  # fmt: skip


@pytest.mark.parametrize("between", UNKNOWN)
def test_integers_that_come_from_nowhere_known_are_not_guessed_at(tmp_path: Path, between: str) -> None:
    nodes, (places, others) = pairs(), UNKNOWN[between]
    nodes[places] = others
    path = written(tmp_path / "unknown.onnx", nodes, arrays(read_step=MOVED * STEP))
    assert not write_unrounded(path, tmp_path / "plain.onnx")
