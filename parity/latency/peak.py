"""What this machine can do at most, measured: one large dense layer, in FP32 and in INT8, by the runtime that is judged.

The same layer in torch is measured beside it, so that a runtime's poor kernel is not taken for the machine's limit.
"""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from litert_pipeline.build.export import write_litert
from litert_pipeline.build.quantize import QUANTIZERS
from litert_pipeline.build.recipes import DYNAMIC_INT8
from litert_pipeline.run.litert import LiteRTStage
from parity.measure.race import Times, race
from reference.spec.tensors import Array, Signature
from reference.spec.tensors import Tensor as Declared

ROWS, WIDTH = 512, 4096  # long sums and all of the cache
ROUNDS = 7
_AXES = {"batch": 1, "row": ROWS, "channel": WIDTH}
SIGNATURE = Signature(inputs=(Declared(name="x", axes=_AXES),), outputs=(Declared(name="y", axes=_AXES),))


class _Dense(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(WIDTH, WIDTH, bias=False).requires_grad_(False)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"y": self.layer(x)}


def write_dense(folder: Path) -> dict[str, Path]:
    """The layer as `.tflite`, by what it computes in."""
    files = {precision: folder / f"dense_{precision}.tflite" for precision in ("fp32", "int8")}
    write_litert(_Dense(), SIGNATURE, files["fp32"])
    QUANTIZERS["litert"](files["fp32"], files["int8"], DYNAMIC_INT8, "dense")
    return files


def peaks(files: dict[str, Path], threads: int) -> dict[str, float]:
    """Multiply-accumulates per second in FP32 and INT8, the better of runtimes, their fastest round."""
    x = np.ones((1, ROWS, WIDTH), np.float32)
    weight = torch.ones(WIDTH, WIDTH)
    torch.set_num_threads(threads)
    with ExitStack() as stack:
        stages = {name: stack.enter_context(LiteRTStage(path, SIGNATURE, threads=threads)) for name, path in files.items()}
        found = race(
            {
                "fp32": lambda _: stages["fp32"]({"x": x}),
                "int8": lambda _: stages["int8"]({"x": x}),
                "torch": lambda _: _product(x, weight),
            },
            ROUNDS,
        )
    return {"fp32": max(_rate(found["fp32"]), _rate(found["torch"])), "int8": _rate(found["int8"])}


def _product(x: Array, weight: Tensor) -> Tensor:
    with torch.inference_mode():
        return torch.from_numpy(x[0]) @ weight


def _rate(times: Times) -> float:
    return ROWS * WIDTH * WIDTH / min(times.seconds)
