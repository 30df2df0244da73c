"""The drawn loss of half-precision sums is that of sums in half precision."""

import numpy as np
import pytest
import torch
from torch import nn

from litert_pipeline.build.channels_last import LastConv
from litert_pipeline.build.rewrites import PlainConv
from parity.truth.half_sums import sums_in_half
from reference.model.oobleck import Conv

ALIKE = 1.3  # times, of two standard deviations over some thousand sums; the formula is an average over paths
UNLIKE = 0.9  # the cosine between what is drawn for two rows of eight numbers
ROWS, COLUMNS = 64, 32


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


def test_it_is_the_same_in_every_call_and_another_in_another_layer() -> None:
    layer, x = nn.Linear(8, 8), torch.ones(2, 8)
    once, again, other = (sums_in_half(layer, path)(layer, (x,), layer(x)) for path in ("a", "a", "b"))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)


def test_what_is_fed_again_errs_alike_and_what_is_not_does_not() -> None:
    """A row that comes twice, in one call or in two; and the single row of a layer that is fed one, whose noise would else cancel
    between calls, as an error in their response does not."""
    layer, one, other = nn.Linear(8, 8), torch.ones(1, 8), torch.full((1, 8), 0.5)
    answer = sums_in_half(layer, "a")
    with torch.no_grad():
        noise = {
            name: answer(layer, (x,), layer(x)) - layer(x)
            for name, x in {"one": one, "other": other, "both": torch.cat([one, other, one])}.items()
        }
    assert torch.equal(noise["both"][0], noise["both"][2])
    assert torch.nn.functional.cosine_similarity(noise["one"], noise["other"]).abs().item() < UNLIKE


def test_a_convolution_has_as_many_summands_as_its_kernel_has_values() -> None:
    with torch.no_grad():
        conv = LastConv(PlainConv(Conv(4, 6, 7, padding=3)))
        x = torch.ones(1, 1, 16, 4)
        hooked = sums_in_half(conv, "conv")(conv, (x,), conv(x))
    assert hooked.shape == conv(x).shape
    assert not torch.equal(hooked, conv(x))
