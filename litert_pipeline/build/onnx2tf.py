"""PyTorch to ONNX to LiteRT by onnx2tf, the route the seed models' conditioners took.

onnx2tf pins a TensorFlow and a numpy that cannot live beside ours, so it is a command in an environment of its own,
which `make onnx2tf` creates.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

from torch import nn

from litert_pipeline.build.export import write_onnx
from reference.spec.errors import InputError
from reference.spec.tensors import Signature

COMMAND = "onnx2tf"
ENVIRONMENT = Path(__file__).parents[2] / ".venv-onnx2tf"


def find_onnx2tf() -> Path | None:
    """The command, in the environment of its own or on the PATH; None where there is none."""
    own = ENVIRONMENT / "bin" / COMMAND
    other = shutil.which(COMMAND)
    return own if own.is_file() else Path(other) if other else None


def write_onnx2tf(module: nn.Module, signature: Signature, path: Path, precision: str) -> None:
    """Convert with onnx2tf and keep its file of `precision`, "float32" or "float16" (weights stored in half).

    Raises InputError if onnx2tf is not installed or ends without the file.
    """
    command = find_onnx2tf()
    if command is None:
        raise InputError(f"{COMMAND}: command not found; 'make onnx2tf' installs it in an environment of its own")
    with tempfile.TemporaryDirectory() as name:
        graph, folder = Path(name) / f"{path.stem}.onnx", Path(name) / "out"
        write_onnx(module, signature, graph)
        line = [str(command), "-i", str(graph), "-o", str(folder), "--non_verbose"]
        done = subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, cwd=name)
        written = folder / f"{path.stem}_{precision}.tflite"
        if done.returncode or not written.is_file():
            printed = (done.stdout.strip().splitlines() or ["nothing was printed"])[-1]
            raise InputError(f"{COMMAND}: did not convert {path.stem} (exit code {done.returncode}: {printed})")
        shutil.move(written, path)
