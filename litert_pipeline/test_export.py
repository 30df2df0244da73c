"""Weights that the converter asks for one by one, as it does for those of a large model, are the model's."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from litert_pipeline.build.export import write_litert
from litert_pipeline.run.litert import LiteRTStage
from parity.bundles.constants_litert import litert_constants
from parity.measure import metrics
from parity.measure.limits import FLOAT
from reference.pipeline import TorchStage
from reference.spec.tensors import Signature
from reference.spec.tensors import Tensor as Declared

TAKES, GIVES = 1100, 1000  # more values than the converter keeps in its graph
SIGNATURE = Signature(
    inputs=(Declared(name="x", axes={"batch": 1, "channel": TAKES}),),
    outputs=(Declared(name="y", axes={"batch": 1, "channel": GIVES}),),
)


class Layer(nn.Module):
    """One matrix."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"y": x @ self.weight.T}


def test_weights_of_a_large_model_are_stored_as_they_are(tmp_path: Path) -> None:
    rng, path = np.random.Generator(np.random.Philox(0)), tmp_path / "layer.tflite"
    weight, feed = rng.standard_normal((GIVES, TAKES), np.float32), {"x": rng.standard_normal((1, TAKES), np.float32)}
    layer = Layer(torch.from_numpy(weight))
    write_litert(layer, SIGNATURE, path, lazy_bytes=weight.nbytes)
    assert np.array_equal(next(c.values() for c in litert_constants(path) if c.shape == weight.shape), weight)
    exact = feed["x"].astype(np.float64) @ weight.T.astype(np.float64)
    own = metrics.relative_l2(exact, TorchStage(layer, SIGNATURE)(feed)["y"])
    with LiteRTStage(path, SIGNATURE) as run:
        assert metrics.relative_l2(exact, run(feed)["y"]) <= FLOAT.limits(own)[1]
