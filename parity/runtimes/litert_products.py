"""A product of whole numbers in LiteRT, by a dynamically quantized layer: INT8 weights, activations rounded on the fly.

`python -m fixtures make-kernel-files` writes the file.
"""

from pathlib import Path

from litert_pipeline.run.litert import LiteRTStage
from parity.runtimes.integer_kernels import Product, product, wrong_share
from reference.spec.tensors import Array, Signature, Tensor

DATA = Path(__file__).parent / "data"
INT8_FILE = DATA / "int8_product.tflite"
PRODUCT = product(5, 256, 33)


def layer_signature(x: Array, w: Array) -> Signature:
    """What a file takes and gives that multiplies (row, summand) by (summand, column)."""
    (rows, summands), columns = x.shape, w.shape[1]
    taken = Tensor(name="x", axes={"row": rows, "summand": summands})
    return Signature(inputs=(taken,), outputs=(Tensor(name="sums", axes={"row": rows, "column": columns}),))


def wrong_in_litert() -> float:
    """The share of wrong sums on this machine."""
    return wrong_share((_run,), (PRODUCT,))


def _run(one: Product) -> Array:
    with LiteRTStage(INT8_FILE, layer_signature(one.x, one.w)) as stage:
        return stage({"x": one.x})["sums"]
