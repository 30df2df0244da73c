"""Whether XNNPACK runs a file: what the runtime tells of its graph once delegates have had their turn."""

from pathlib import Path
from typing import Any

from litert_pipeline.run.litert import native_log

DELEGATE = "DELEGATE"


def delegation(path: Path) -> dict[str, int]:
    """How many nodes a `.tflite` file has, and how many delegates the classic Interpreter put in the place of some.

    One means one unbroken run inside XNNPACK, none that it took nothing. Which nodes stayed outside is not told.
    """
    with native_log():
        from ai_edge_litert.interpreter import Interpreter

        interpreter: Any = Interpreter(model_path=str(path))
        interpreter.allocate_tensors()
        names = [node["op_name"] for node in interpreter._get_ops_details()]
        del interpreter
    delegates = names.count(DELEGATE)
    return {"nodes": len(names) - delegates, "delegates": delegates}
