"""Constants that half precision loses: found where a divisor rests on them, and nowhere else."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from litert_pipeline.build.export import write_litert
from parity.bundles.vanishing import Vanishing, listed, vanishing_constants
from reference.spec.half import SMALLEST_NORMAL
from reference.spec.tensors import Signature
from reference.spec.tensors import Tensor as Declared

LOST, KEPT = 1e-6, 1e-4
SIGNATURE = Signature(
    inputs=(Declared(name="x", axes={"batch": 2, "channel": 4}),), outputs=(Declared(name="y", axes={"batch": 2, "channel": 4}),)
)


class Rests(nn.Module):
    """A divisor that rests on a number, a product with one, and a sum with one, which matters to nobody."""

    def __init__(self, under_root: float, divisor: float, factor: float, summand: float) -> None:
        super().__init__()
        self.numbers = under_root, divisor, factor, summand

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        under_root, divisor, factor, summand = self.numbers
        y = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + under_root)
        y = y / torch.clamp_min(x.abs().sum(-1, keepdim=True), divisor)
        return {"y": torch.sin(y * factor) + summand}


CASES = {
    "under a root": ((LOST, KEPT, 0.5, 0.5), ["RSQRT"]),
    "a divisor": ((KEPT, LOST, 0.5, 0.5), ["DIV"]),
    "a factor": ((KEPT, KEPT, LOST, 0.5), ["MUL"]),
    "a summand": ((KEPT, KEPT, 0.5, LOST), []),
    "all of them": ((LOST, LOST, LOST, LOST), ["DIV", "MUL", "RSQRT"]),
    "the smallest that is kept": ((SMALLEST_NORMAL, SMALLEST_NORMAL, SMALLEST_NORMAL, SMALLEST_NORMAL), []),
}


@pytest.mark.parametrize("case", CASES)
def test_a_constant_is_found_where_something_rests_on_it(tmp_path: Path, case: str) -> None:
    numbers, operators = CASES[case]
    write_litert(Rests(*numbers), SIGNATURE, tmp_path / "rests.tflite")
    found = vanishing_constants(tmp_path / "rests.tflite")
    assert sorted(one.operator for one in found) == operators
    assert all((one.beside is None) == (one.operator == "MUL") for one in found)


def test_what_is_found_is_told_once_a_number() -> None:
    found = [Vanishing(name=name, value=LOST, operator="RSQRT", beside=1) for name in ("first", "second")]
    assert listed(found) == "1e-06 of RSQRT in 2 places (the first: 'first')"
