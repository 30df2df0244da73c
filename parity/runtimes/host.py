"""What this machine computes, found out once per process and before anything is judged on it."""

from functools import cache

from parity.measure.half_compute import HalfCompute, recognised
from parity.runtimes.half_compute import run_in_half
from parity.runtimes.integer_kernels import IntegerKernels, examined
from parity.runtimes.litert_products import wrong_in_litert
from parity.runtimes.onnx_products import wrong_in_onnxruntime

ONNXRUNTIME, LITERT = "ONNX Runtime", "LiteRT"


@cache
def onnxruntime_kernels() -> IntegerKernels:
    """ONNX Runtime's, which can be told to multiply exactly."""
    return examined(ONNXRUNTIME, lambda: wrong_in_onnxruntime(exact=False), lambda: wrong_in_onnxruntime(exact=True))


@cache
def litert_kernels() -> IntegerKernels:
    """LiteRT's, as XNNPACK runs them."""
    return examined(LITERT, wrong_in_litert)


@cache
def half_compute() -> HalfCompute:
    """What LiteRT does where it is asked for FP16 compute."""
    return recognised(run_in_half)


def unable(kernels: IntegerKernels | None) -> str | None:
    """Why files that compute in integers cannot be judged here; None if they can."""
    if kernels is None or kernels.right:
        return None
    return f"this machine cannot run it right: {kernels}"
