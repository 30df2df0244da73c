"""What is left of a quantized stage over many calls: noise of rounding goes no way and makes no channel larger."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from parity.judge.same_graph import compared, gain, lean
from parity.judge.structure import Beside
from parity.measure.file_limits import CHANNELS, LEAN

VALUES, NOISE = 4096, 0.01  # of a drawn answer
WAY = 0.25  # of the noise, that goes the same way in every call


@given(st.integers(0, 2**32), st.integers(1, 48))
def test_noise_leans_no_way_and_a_way_is_seen_far_below_it(seed: int, calls: int) -> None:
    """A quarter of the noise, the same way in every call."""
    rng = np.random.Generator(np.random.Philox(seed))
    found = {"noise": [], "both": []}
    for _ in range(calls):
        right, way, noise = rng.standard_normal((3, VALUES))
        beside = Beside(answers={"v": right}, moved={"v": NOISE}, leaning={"v": way})
        for name, error in (("noise", NOISE * noise), ("both", NOISE * (noise + WAY * way))):
            found[name].append(compared(beside, {"v": right + error}, {"v": right}, {"v": right}))
    assert lean(found["noise"]) <= LEAN.limit
    assert lean(found["both"]) > LEAN.limit


def test_what_no_answer_is_leans_too_far() -> None:
    one = np.ones(4)
    beside = Beside(answers={"v": one}, moved={"v": 0.1}, leaning={"v": one})
    assert not lean([compared(beside, {"v": np.full(4, np.nan)}, {"v": one}, {"v": one})]) <= LEAN.limit


@given(st.integers(0, 2**32), st.integers(4, 48), st.integers(1, 3), st.sampled_from([NOISE, NOISE / 100]))
def test_noise_makes_no_channel_larger_and_a_gain_is_seen_far_below_it(seed: int, calls: int, axes: int, moved: float) -> None:
    """Of one channel, a quarter of the noise; be that as much as rounding moves, or far more."""
    rng = np.random.Generator(np.random.Philox(seed))
    found = {"noise": [], "both": []}
    shape = (1, 3, *(VALUES // 2 ** (axes - 1), *[2] * (axes - 1)))
    for _ in range(calls):
        right, noise = rng.standard_normal((2, *shape))
        right[:, 0] = 0  # as padding is
        larger = np.zeros(shape)
        larger[:, 2] = right[:, 2]
        beside = Beside(answers={"v": right}, moved={"v": moved})
        for name, error in (("noise", NOISE * noise), ("both", NOISE * (noise + WAY * larger))):
            found[name].append(compared(beside, {"v": right + error}, {"v": right}, {"v": right}))
    assert gain(found["noise"]) <= CHANNELS.limit
    assert gain(found["both"]) > CHANNELS.limit


def test_what_no_answer_is_makes_a_channel_too_large() -> None:
    one = np.ones((1, 2, 4))
    beside = Beside(answers={"v": one}, moved={"v": 0.1})
    assert not gain([compared(beside, {"v": np.full(one.shape, np.nan)}, {"v": one}, {"v": one})]) <= CHANNELS.limit
