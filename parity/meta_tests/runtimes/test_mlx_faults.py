"""Single errors that ports to MLX are known to make, drawn and put into ours: each is refused, and the stage is named."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from litert_pipeline.bundle import Bundle
from litert_pipeline.mlx_file import read_described, write_tensors
from parity.faults.injection import of_bundle, with_file
from parity.judge.judge import Judge
from parity.judge.lineup import contenders_of
from parity.measure.verdict import Verdict
from parity.test_parity import case_called
from reference.spec.stages import ALL_STAGES
from reference.spec.tensors import Array

mx = pytest.importorskip("mlx.core", reason="MLX is not installed ('make gate' does it where it can be had)")

DRAWS = 3  # of layouts
RECIPES = ("mlx_fp32", "mlx_fp16", "mlx_int8", "mlx_int4")
EPSILONS = (0.0, 1e-6, 1e-4, 1e-3)  # of layer norms, for 1e-5
BASES = (2.0, 3.5, 4.5, 6.0)  # between these powers of ten, for 1e4


def drawn(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


def failures(judge: Judge, contender: str, stage: str) -> list[Verdict]:
    """What a stage is refused for: fed the truth, and its graph."""
    case = case_called(judge, "drums")
    checks = (*judge.teacher_forced(stage, contender, case), *judge.structure(stage, contender, [case]))
    return [check for check in checks if not check.ok]


@dataclass(frozen=True)
class Layout:
    """A transposed convolution's kernel laid out otherwise."""

    name: str
    change: Callable[[Array], Array]  # of a kernel (out, position, in)


LAYOUTS = (
    Layout("backwards", lambda kernel: kernel[:, ::-1]),
    Layout("memory of (in, out, position), not moved", lambda kernel: kernel.transpose(2, 0, 1).reshape(kernel.shape)),
    Layout("memory of (out, in, position), not moved", lambda kernel: kernel.transpose(0, 2, 1).reshape(kernel.shape)),
)


def check_layout_is_refused(judge: Judge, right: Bundle, folder: Path, seed: int) -> None:
    """Any layout holds the right values, so what the file stores is no fault; what it answers is. `right` is of mlx_fp32."""
    from safetensors.numpy import load_file

    rng, tensors = drawn(seed), load_file(right.path("decoder"))
    kernels = [name for name, array in tensors.items() if name.endswith("layers.1.weight") and array.ndim == 3]
    kernel, layout = rng.choice(kernels), LAYOUTS[seed % len(LAYOUTS)]
    path = folder / "decoder.safetensors"
    write_tensors(path, tensors | {kernel: layout.change(tensors[kernel])}, read_described(right.path("decoder")))
    with of_bundle(judge, "mlx_fp32", with_file(right, "decoder", path)) as wrong:
        found = {stage: failures(wrong, "mlx_fp32", stage) for stage in ALL_STAGES}
    assert [stage for stage, checks in found.items() if checks] == ["decoder"], (kernel, layout.name)
    assert "relative_l2" in {check.metric for check in found["decoder"]}


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.faults) for seed in range(1, DRAWS))])
def test_a_transposed_convolution_laid_out_otherwise_is_refused(
    judge: Judge, bundles: Mapping[str, Bundle], tmp_path: Path, seed: int
) -> None:
    check_layout_is_refused(judge, bundles["mlx_fp32"], tmp_path, seed)


def other_epsilon(patch: pytest.MonkeyPatch, rng: np.random.Generator) -> float:
    from parity.runtimes.mlx_port import layers

    epsilon = float(rng.choice(EPSILONS))
    patch.setattr(layers, "LAYER_NORM_EPS", epsilon)
    return epsilon


def other_base(patch: pytest.MonkeyPatch, rng: np.random.Generator) -> float:
    """Frequencies computed anew, from another base."""
    from parity.runtimes.mlx_port.attention import RotaryEmbedding

    low, high = BASES[:2] if rng.random() < 0.5 else BASES[2:]
    base = float(10 ** rng.uniform(low, high))

    def turned(self: RotaryEmbedding, x: mx.array) -> mx.array:
        return mx.fast.rope(x, 2 * self.inv_freq.size, traditional=False, base=base, scale=1.0, offset=0)

    patch.setattr(RotaryEmbedding, "__call__", turned)
    return base


ERRORS: dict[str, Callable[[pytest.MonkeyPatch, np.random.Generator], float]] = {
    "another epsilon": other_epsilon, "another base of RoPE": other_base,
}  # fmt: skip


def check_error_is_refused(judge: Judge, bundle: Bundle, patch: pytest.MonkeyPatch, error: str) -> None:
    """Before it is made nothing is refused, then the DiT alone."""
    recipe = bundle.manifest.recipe
    with Judge(truths=judge.truths, contenders=contenders_of([bundle])) as own:
        assert {stage: failures(own, recipe, stage) for stage in ("conditioner", "dit")} == {"conditioner": [], "dit": []}
    made = ERRORS[error](patch, drawn(RECIPES.index(recipe)))
    with Judge(truths=judge.truths, contenders=contenders_of([bundle])) as own:
        found = {stage: failures(own, recipe, stage) for stage in ("conditioner", "dit")}
    assert [stage for stage, checks in found.items() if checks] == ["dit"], made


# The others are for `make faults-test`.
IN_EVERY_RUN = [("another epsilon", "mlx_fp32"), ("another epsilon", "mlx_int4"), ("another base of RoPE", "mlx_fp16")]


@pytest.mark.parametrize(("error", "recipe"), [
    pytest.param(error, recipe, marks=() if (error, recipe) in IN_EVERY_RUN else pytest.mark.faults)
    for error in ERRORS
    for recipe in RECIPES
])  # fmt: skip
def test_an_error_in_the_port_is_refused_at_every_precision(
    judge: Judge, bundles: Mapping[str, Bundle], monkeypatch: pytest.MonkeyPatch, error: str, recipe: str
) -> None:
    check_error_is_refused(judge, bundles[recipe], monkeypatch, error)
