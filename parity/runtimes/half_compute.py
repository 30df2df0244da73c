"""The row of `parity/measure/half_compute.py` on this machine: LiteRT's answer where XNNPACK is told to compute in half.

`python -m fixtures make-kernel-files` writes the file.
"""

from litert_pipeline.run.litert import LiteRTStage
from parity.measure.half_compute import LongRow
from parity.runtimes.litert_products import DATA
from reference.spec.tensors import Array

HALF_FILE = DATA / "half_row.tflite"


def run_in_half(row: LongRow) -> Array:
    """The two sums, (1, 2)."""
    with LiteRTStage(HALF_FILE, row.signature, compute="fp16") as stage:
        return stage({"x": row.x})["sums"]
