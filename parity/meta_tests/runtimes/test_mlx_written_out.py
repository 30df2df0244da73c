"""What the port writes out for what a CPU does badly: convolutions that MLX leaves to loops, the sums of numbers' embedders."""

import sys
from platform import machine

import numpy as np
import pytest

from fixtures import TINY_MODEL_DIR
from litert_pipeline.build.mlx import write_mlx
from litert_pipeline.build.stage import WEIGHTS, exportable
from parity.measure.metrics import relative_l2
from parity.meta_tests.runtimes.test_mlx_port import feed_of
from reference.pipeline import load_model
from reference.spec.stages import signatures
from reference.spec.tensors import Array

mx = pytest.importorskip("mlx.core", reason="MLX is not installed ('make gate' does it where it can be had)")

BATCH, CHANNELS = 2, 5
LENGTHS = (1, 7, 9, 64, 100)  # of one dilation, of several, of fewer positions than one
STRIDES = (2, 3, 4, 5, 8, 10)
IN_A_ROW = 0.75  # times what sums lose that are made one after the other; measured 0.39
AS_FAR = 1.5  # times what MLX's own convolutions err; measured 0.66 to 1.0


def drawn(*shape: int) -> Array:
    return np.random.Generator(np.random.Philox(sum(shape))).standard_normal(shape, np.float32)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("dilation", [1, 3, 9])
def test_a_dilated_convolution_errs_no_more_than_mlx_s(length: int, dilation: int) -> None:
    found, own, exact = dilated(length, dilation)
    assert found.shape == own.shape == exact.shape
    assert relative_l2(exact, found) <= AS_FAR * relative_l2(exact, own)


@pytest.mark.skipif((sys.platform, machine()) != ("linux", "x86_64"), reason="elsewhere loops and products add up otherwise")
@pytest.mark.parametrize("dilation", [3, 9])
def test_a_dilated_convolution_is_mlx_s_bit_for_bit(dilation: int) -> None:
    found, own, _ = dilated(LENGTHS[-1], dilation)
    assert np.array_equal(found, own)


def dilated(length: int, dilation: int) -> tuple[Array, Array, Array]:
    """The port's answer, MLX's own, and the definition's in float64."""
    from parity.runtimes.mlx_port.oobleck import DilatedConv1d

    layer, x = DilatedConv1d(CHANNELS, 3, 7, dilation=dilation), drawn(BATCH, length, CHANNELS)
    layer.weight, layer.bias = mx.array(drawn(3, 7, CHANNELS)), mx.array(drawn(3))
    own = mx.conv1d(mx.array(x), layer.weight, 1, 3 * dilation, dilation) + layer.bias
    padded = np.pad(x.astype("f8"), ((0, 0), (3 * dilation, 3 * dilation), (0, 0)))
    seen = np.stack([padded[:, place * dilation : place * dilation + length] for place in range(7)])
    exact = np.einsum("kblc,okc->blo", seen, np.array(layer.weight).astype("f8")) + np.array(layer.bias)
    return np.array(layer(mx.array(x))), np.array(own), exact


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("stride", STRIDES)
def test_a_transposed_convolution_errs_no_more_than_mlx_s(length: int, stride: int) -> None:
    from parity.runtimes.mlx_port.oobleck import UpConv1d

    layer, x = UpConv1d(CHANNELS, 3, stride), drawn(BATCH, length, CHANNELS)
    layer.weight, layer.bias = mx.array(drawn(3, 2 * stride, CHANNELS)), mx.array(drawn(3))
    own = mx.conv_transpose1d(mx.array(x), layer.weight, stride, layer.padding) + layer.bias
    exact = in_float64(x, np.array(layer.weight), np.array(layer.bias), stride)
    found = np.array(layer(mx.array(x)))
    assert found.shape == own.shape == exact.shape
    assert relative_l2(exact, found) <= AS_FAR * relative_l2(exact, np.array(own))


def in_float64(x: Array, kernel: Array, bias: Array, stride: int) -> Array:
    """A transposed convolution by its definition: every position adds its products to 2 * stride of the output."""
    batch, length, _ = x.shape
    whole = np.zeros((batch, (length + 1) * stride, kernel.shape[0]))
    for at in range(length):
        whole[:, at * stride : (at + 2) * stride] += np.einsum("bc,okc->bko", x[:, at].astype("f8"), kernel.astype("f8"))
    trimmed = -(-stride // 2)
    return whole[:, trimmed : whole.shape[1] - trimmed] + bias.astype("f8")


@pytest.mark.parametrize("stage", ["decoder", "encoder"])
def test_no_stage_leaves_a_convolution_to_a_loop(tmp_path, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:  # type: ignore[no-untyped-def]
    """They took two thirds of what MLX computes in a gate."""
    from parity.runtimes.mlx_port.stage import MlxStage

    def undilated(x: mx.array, weight: mx.array, stride: int = 1, padding: int = 0) -> mx.array:
        asked.append(weight.shape)
        return unfolded(x, weight, stride, padding)

    asked, unfolded = [], mx.conv1d
    model = load_model(TINY_MODEL_DIR)
    write_mlx(exportable(model, stage, WEIGHTS), model.spec, stage, tmp_path / "x.safetensors")
    monkeypatch.delattr(mx, "conv_transpose1d")
    monkeypatch.setattr(mx, "conv1d", undilated)
    MlxStage(tmp_path / "x.safetensors", signatures(model.spec)[stage], "fp32")(feed_of(model, stage, seed=1))
    assert asked


def test_numbers_are_not_embedded_by_one_long_sum() -> None:
    """Whichever BLAS is there: 257 products in a row lose 3.7 times what PyTorch does, of the four times that are allowed."""
    from parity.runtimes.mlx_port.conditioner import SummedInBlocks

    layer, x = SummedInBlocks(257, 48), drawn(64, 257)
    products = x[:, None, :] * np.array(layer.weight)
    exact = x.astype("f8") @ np.array(layer.weight).astype("f8").T + np.array(layer.bias)
    in_a_row = products.cumsum(-1, dtype=np.float32)[..., -1] + np.array(layer.bias)
    found = np.array(layer(mx.array(x)))
    assert found.dtype == np.float32
    assert relative_l2(exact, found) <= IN_A_ROW * relative_l2(exact, in_a_row)
