"""Norms as they are converted: the same function, and right in half precision where a norm as it is written fails."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from litert_pipeline.build.export import write_litert
from litert_pipeline.build.norms import MOST_IN_HALF, ScaledNorm, scaled_norms
from litert_pipeline.run.litert import LiteRTStage
from parity.measure import metrics
from reference.model.attention import QK_NORM_EPS
from reference.model.dit import LayerNorm
from reference.model.t5 import RMSNorm
from reference.spec.tensors import Array, Signature, Tensor

REORDERED_FLOAT64 = 1e-12
HALF_STEPS = 3 * 2.0**-10  # what a few roundings to half may come to
ROWS = 5
# As they stand in a model; one of a width of which all in one value would pass what half precision has the square of.
NORMS = {
    "of queries": lambda: nn.LayerNorm(64, eps=QK_NORM_EPS),
    "of a transformer": lambda: LayerNorm(1024),
}
SIZES = {"tiny": 1e-3, "usual": 1.0, "beyond what half squares": 2e3}


def rows(width: int, size: float) -> Array:
    """Rows of one size, one with all in one value, one of zeros."""
    drawn = size * np.random.Generator(np.random.Philox(0)).standard_normal((1, ROWS, width))
    drawn[0, 1] = np.where(np.arange(width) == 0, size, 0)
    drawn[0, 2] = 0
    return drawn


def in_half(norm: nn.Module, x: Array, folder: Path) -> Array:
    """What LiteRT makes of a norm, computed in half."""

    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = norm

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"y": self.norm(x)}

    axes = {"batch": 1, "position": ROWS, "channel": x.shape[-1]}
    signature = Signature(inputs=(Tensor(name="x", axes=axes),), outputs=(Tensor(name="y", axes=axes),))
    write_litert(Named().eval(), signature, folder / "norm.tflite")
    with LiteRTStage(folder / "norm.tflite", signature, compute="fp16") as stage:
        return stage({"x": x.astype(np.float32)})["y"]


@pytest.fixture(params=NORMS)
def norm(request: pytest.FixtureRequest) -> nn.Module:
    made = NORMS[request.param]()
    with torch.no_grad():
        for part in made.parameters():
            part.uniform_(0.5, 2.0, generator=torch.Generator().manual_seed(0))
    return made.double()


def exact(norm: nn.Module, x: Array) -> Array:
    with torch.no_grad():
        return norm(torch.from_numpy(x)).numpy()  # type: ignore[no-any-return]


def width(norm: nn.Module) -> int:
    return next(norm.parameters()).shape[-1]


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_a_scaled_norm_is_the_norm(norm: nn.Module, size: float) -> None:
    x = rows(width(norm), size)
    scaled = scaled_norms(nn.Sequential(norm))
    assert isinstance(scaled[0], ScaledNorm)  # type: ignore[index]
    assert metrics.relative_l2(exact(norm, x), exact(scaled, x)) <= REORDERED_FLOAT64


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_it_is_right_in_half(norm: nn.Module, size: float, tmp_path: Path) -> None:
    x = rows(width(norm), size).astype(np.float16).astype(np.float64)
    truths = exact(norm, x)
    found = in_half(scaled_norms(nn.Sequential(norm)).float(), x, tmp_path)
    for truth, row in zip(truths[0], found[0], strict=True):
        assert metrics.relative_l2(truth, row) <= HALF_STEPS


def test_as_it_is_written_it_is_not(norm: nn.Module, tmp_path: Path) -> None:
    x = rows(width(norm), SIZES["beyond what half squares"])
    truth = exact(norm, x)[0, 0]
    found = in_half(norm.float(), x, tmp_path)[0, 0]
    assert not metrics.relative_l2(truth, found) <= HALF_STEPS


def test_t5s_is_right_in_half_as_it_is_written(tmp_path: Path) -> None:
    norm, x = RMSNorm(768, 1e-6), rows(768, SIZES["beyond what half squares"]).astype(np.float16).astype(np.float64)
    truth = exact(norm.double(), x)
    assert metrics.relative_l2(truth, in_half(norm.float(), x, tmp_path)) <= HALF_STEPS


@pytest.mark.parametrize("width", [2, 64, 255, 256, 510, 512, 1024, 1536])
def test_all_in_one_value_is_squared_in_half(width: int) -> None:
    scaled = ScaledNorm(nn.LayerNorm(width), ("weight", "bias"), QK_NORM_EPS)
    one = torch.zeros(width, dtype=torch.float64)
    one[0] = 1
    row = one - one.mean()
    most = float((row / (row.abs().mean() * scaled.spread)).abs().max())
    assert most**2 <= torch.finfo(torch.float16).max
    assert scaled.spread == 1 or 2 * most > MOST_IN_HALF, "no row is made smaller than it must be"
