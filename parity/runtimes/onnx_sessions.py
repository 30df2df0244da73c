"""How this project opens a session of ONNX Runtime, whoever needs one."""

from pathlib import Path
from typing import Any

from reference.spec.privacy import forbid_telemetry

WARNINGS_OFF = 3  # onnxruntime severity: errors only
EXACT_PRODUCTS = ("session.x64quantprecision", "1")  # x86 kernels that cannot overflow; without VNNI they are slower


def new_session(model: Path | bytes, *, exact: bool, threads: int = 0) -> Any:
    """An InferenceSession on the CPU. `exact` keeps integer kernels from overflowing; `threads` 0 leaves the number to it.

    Raises what ONNX Runtime raises for a model it cannot load.
    """
    forbid_telemetry()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, WARNINGS_OFF
    if exact:
        options.add_session_config_entry(*EXACT_PRODUCTS)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
