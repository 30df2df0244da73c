"""Products of whole numbers in ONNX Runtime, by the nodes that quantization writes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from parity.runtimes.integer_kernels import LEAST, Product, product, wrong_share
from parity.runtimes.onnx_sessions import new_session
from reference.spec.tensors import Array

OPSET, IR_VERSION = 17, 8  # what every supported ONNX Runtime reads
# One row has kernels of its own; widths that fill no register leave a rest.
PRODUCTS = (product(1, 256, 33), product(5, 72, 16))


def wrong_in_onnxruntime(*, exact: bool) -> float:
    """The share of wrong sums on this machine, whether or not it is told to multiply exactly."""
    ways = (lambda one: _integer_product(one, exact), lambda one: _quantized_product(one, exact))
    return wrong_share(ways, PRODUCTS)


def _integer_product(one: Product, exact: bool) -> Array:
    """MatMulInteger alone: uint8 activations with their zero at 128, int8 weights."""
    from onnx import helper

    node = helper.make_node("MatMulInteger", ["x", "w", "x_zero"], ["sums"])
    constants = {"w": one.w, "x_zero": np.array(-LEAST, np.uint8)}
    return _run([node], constants, (one.x - LEAST).astype(np.uint8), one.sums.shape, exact)


def _quantized_product(one: Product, exact: bool) -> Array:
    """What dynamic quantization makes of a MatMul: the runtime itself rounds the activations, and fuses all of it."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["x_8", "x_scale", "x_zero"]),
        helper.make_node("Mul", ["x_scale", "w_scale"], ["scale"]),
        helper.make_node("MatMulInteger", ["x_8", "w", "x_zero", "w_zero"], ["sums_32"]),
        helper.make_node("Cast", ["sums_32"], ["sums_float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["sums_float", "scale"], ["sums"]),
    ]
    columns = one.w.shape[1]
    constants = {"w": one.w, "w_scale": np.ones(columns, np.float32), "w_zero": np.zeros(columns, np.int8)}
    return _run(nodes, constants, one.x, one.sums.shape, exact)


def _run(nodes: list[Any], constants: Mapping[str, Array], x: Array, shape: tuple[int, ...], exact: bool) -> Array:
    """Feed `x` to a graph of these nodes; its output `sums` has the type its last node gives."""
    from onnx import TensorProto, helper, numpy_helper

    kind = TensorProto.INT32 if nodes[-1].op_type == "MatMulInteger" else TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)],
        [helper.make_tensor_value_info("sums", kind, shape)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    (sums,) = new_session(model.SerializeToString(), exact=exact, threads=1).run(["sums"], {"x": x})
    found: Array = sums
    return found
