"""The drawn loss of half-precision sums is that of sums in half precision."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from litert_pipeline.build.channels_last import LastConv
from litert_pipeline.build.rewrites import PlainConv
from parity.truth.half_sums import sums_in_half
from reference.model.oobleck import Conv

ALIKE = 1.3  # times, of two standard deviations over some thousand sums; the formula is an average over paths
ROWS, COLUMNS = 64, 32
BY_CHANCE = 5 / (ROWS * 8) ** 0.5  # five standard deviations of the correlation of so many numbers drawn apart


def added_in_half(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """One product after the other, as a fused multiply-add does: the product exact, the sum rounded."""
    total = np.zeros((len(x), len(w)), np.float16)
    for term in range(x.shape[1]):
        total = (total.astype(np.float32) + np.outer(x[:, term], w[:, term])).astype(np.float16)
    return total.astype(np.float64)


@pytest.mark.parametrize("drift", [0.0, 0.3], ids=["a random walk", "a sum that grows"])
@pytest.mark.parametrize("summands", [56, 896])
def test_a_layer_errs_as_much_as_its_sums_in_half(summands: int, drift: float) -> None:
    rng = np.random.Generator(np.random.Philox(0))
    x, w = (rng.normal(drift, 1, (count, summands)).astype(np.float16).astype(np.float32) for count in (ROWS, COLUMNS))
    exact = x.astype(np.float64) @ w.T.astype(np.float64)
    lost = added_in_half(x, w) - exact
    layer = nn.Linear(summands, COLUMNS, bias=False)
    layer.weight.data = torch.from_numpy(w)
    layer.register_forward_hook(sums_in_half(layer, "layer"))
    drawn = layer(torch.from_numpy(x)).detach().double().numpy() - exact
    assert 1 / ALIKE <= drawn.std() / lost.std() <= ALIKE


def drawn(x: Tensor, path: str = "a") -> Tensor:
    """What a layer of eight inputs and as many outputs loses on `x`, (row, 8)."""
    torch.manual_seed(0)
    layer = nn.Linear(8, 8)
    with torch.no_grad():
        lost: Tensor = sums_in_half(layer, path)(layer, (x,), layer(x)) - layer(x)
    return lost


def test_a_sum_errs_by_the_same_wherever_it_is_and_by_something_else_in_another_layer() -> None:
    once, again = drawn(torch.ones(2, 8)), drawn(torch.ones(3, 8))
    assert (again == once[0]).all()
    assert not (drawn(torch.ones(2, 8), "b") == once).any()


def test_sums_that_differ_a_little_do_not_err_alike() -> None:
    """Else the response of a stage to small changes would be taken for more exact than any kernel's."""
    rows = torch.linspace(1, 2, ROWS)[:, None].repeat(1, 8)
    one, other = drawn(rows[:-1]).double(), drawn(rows[1:]).double()
    assert abs(torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1]) <= BY_CHANCE


def test_what_is_fed_again_errs_alike_whatever_it_is_fed_with() -> None:
    """Else what repeats would average out over a sound, or cancel in the response of single rows to a change."""
    one, other = torch.ones(1, 8), torch.full((1, 8), 0.5)
    assert torch.equal(drawn(torch.cat([one, other, one])), torch.cat([drawn(one), drawn(other), drawn(one)]))


def test_a_convolution_has_as_many_summands_as_its_kernel_has_values() -> None:
    with torch.no_grad():
        conv = LastConv(PlainConv(Conv(4, 6, 7, padding=3)))
        x = torch.ones(1, 1, 16, 4)
        hooked = sums_in_half(conv, "conv")(conv, (x,), conv(x))
    assert hooked.shape == conv(x).shape
    assert not torch.equal(hooked, conv(x))


def test_the_places_of_a_convolution_are_its_times() -> None:
    """Fed the same all the time, each channel errs by the same all the time."""
    conv, x = nn.Conv1d(4, 6, 1), torch.ones(1, 4, 16)
    with torch.no_grad():
        lost = sums_in_half(conv, "conv")(conv, (x,), conv(x)) - conv(x)
    assert torch.equal(lost, lost[..., :1].expand_as(lost))
