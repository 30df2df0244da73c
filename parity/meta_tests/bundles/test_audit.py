"""Weights read from files: right ones are found whatever converter and precision wrote them, wrong ones are told and named."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fixtures import TINY_MODEL_DIR
from fixtures.oracle.positional import FILES
from litert_pipeline.build.export import write_litert
from litert_pipeline.build.quantize import QUANTIZERS
from litert_pipeline.build.recipes import RECIPES
from litert_pipeline.build.stage import PLAIN, exportable
from litert_pipeline.bundle import Bundle
from parity.bundles.audit import CLIPPED, COMPENSATED, audit
from parity.bundles.contents import contents_of
from parity.bundles.forms import Form, forms
from parity.faults.catalogue.stored import GLU, QKV, larger, one_larger, scattered, zeroed
from parity.faults.file_edits import Change, edit_file, foreign_constant, rewritten, values
from parity.measure.contents import Contents
from parity.measure.file_limits import HALF_STEP, STEPS_BEYOND
from reference.pipeline import Model, load_model
from reference.spec.stages import ALL_STAGES, signatures
from reference.spec.tensors import Array

QUANTIZED = ("int8", "int8_weight_only", "int4_blockwise")
MOST_PART = 0.9  # of the quantized matrices that a scheme has to be recognised in
SPREAD_GAINS = 1.0  # standard deviation of the logarithm of the gains of the worst checkpoints


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(TINY_MODEL_DIR)


@pytest.fixture(scope="module")
def known(model: Model) -> dict[str, tuple[Form, ...]]:
    return {stage: forms(model, stage) for stage in model.spec.stages}


def read(path: Path, known: Mapping[str, tuple[Form, ...]], stage: str = "dit") -> Contents:
    return contents_of(audit(path, known[stage]), stage)


def assert_clean(contents: Contents) -> None:
    assert contents.beyond_rounding <= STEPS_BEYOND.limit, contents.wrong
    assert (contents.wrong, contents.missing, contents.unexplained) == ((), (), ())
    assert sum(part.values for part in contents.parts) > 0


def changed(bundle: Bundle, stage: str, folder: Path, change: Change) -> Path:
    path = Path(shutil.copyfile(bundle.path(stage), folder / bundle.path(stage).name))
    edit_file(path, change)
    return path


@pytest.mark.parametrize("stage", ALL_STAGES)
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_converter_and_precision_is_clean(
    bundles: Mapping[str, Bundle], known: Mapping[str, tuple[Form, ...]], recipe: str, stage: str
) -> None:
    if recipe not in bundles:
        pytest.skip("its converter is not installed")
    assert_clean(read(bundles[recipe].path(stage), known, stage))


@pytest.mark.parametrize("stage", FILES)
def test_files_made_elsewhere_are_clean(positional: Path, known: Mapping[str, tuple[Form, ...]], stage: str) -> None:
    assert_clean(read(positional / FILES[stage], known, stage))


WRONG: dict[str, tuple[Change, str]] = {
    "all scales 10 % off": (larger(0.1), "steps"),
    "a qkv scale doubled": (one_larger(1.0, QKV), "steps"),
    "a GLU scale doubled": (one_larger(1.0, GLU), "steps"),
    "weights 0.5 % off": (larger(0.005), "steps"),
    "weights 0.1 % off": (larger(0.001), "steps"),
    "scales jittered by 0.5 %": (scattered(0.005), "steps"),
    "feed-forward biases dropped": (zeroed("FeedForward_ff", "FLOAT32"), "missing"),
    "an adapter left in": (foreign_constant, "unexplained"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("recipe", QUANTIZED)
def test_wrong_weights_are_seen(
    bundles: Mapping[str, Bundle], known: Mapping[str, tuple[Form, ...]], tmp_path: Path, recipe: str, name: str
) -> None:
    change, kind = WRONG[name]
    contents = read(changed(bundles[recipe], "dit", tmp_path, change), known)
    seen = {
        "steps": contents.beyond_rounding > STEPS_BEYOND.limit and bool(contents.wrong),
        "missing": any("ff.ff" in tensor for tensor in contents.missing),
        "unexplained": contents.unexplained == ("lora_a (float32[48, 32])",),
    }
    assert [what for what, found in seen.items() if found] == [kind]


def test_the_worst_tensor_is_named(
    bundles: Mapping[str, Bundle], known: Mapping[str, tuple[Form, ...]], tmp_path: Path
) -> None:
    contents = read(changed(bundles["int8"], "dit", tmp_path, one_larger(1.0, QKV)), known)
    assert len(contents.wrong) == 1
    assert contents.wrong[0].startswith("transformer.layers.1.self_attn.to_qkv.weight (int8[384, 128]) is 6")


@pytest.mark.parametrize(("recipe", "storage"), [("fp32", "FLOAT32"), ("int8", "INT8"), ("fp16_weights", "FLOAT16")])
def test_zeroed_conditioning_is_missing(
    bundles: Mapping[str, Bundle], known: Mapping[str, tuple[Form, ...]], tmp_path: Path, recipe: str, storage: str
) -> None:
    contents = read(changed(bundles[recipe], "dit", tmp_path, zeroed("to_global_embed", storage)), known)
    assert set(contents.missing) == {"to_global_embed.0.weight", "to_global_embed.2.weight"}


def test_floats_are_held_to_their_last_place(
    bundles: Mapping[str, Bundle], known: Mapping[str, tuple[Form, ...]], tmp_path: Path
) -> None:
    contents = read(changed(bundles["fp32"], "decoder", tmp_path, values(_one_place_more)), known, "decoder")
    assert contents.beyond_rounding == pytest.approx(HALF_STEP)  # the next float is a whole step away
    assert contents.wrong


def _one_place_more(stored: Array) -> Array:
    return np.where(stored == 0, stored, np.nextafter(stored, np.float32(np.inf)))


def _largest(weights: Array, levels: int) -> Array:
    return np.abs(weights).max(1) / levels


def clipped(weights: Array, levels: int) -> tuple[Array, Array]:
    scale = 0.8 * _largest(weights, levels)
    return np.clip(np.round(weights / scale[:, None]), -levels, levels), scale


def compensated(weights: Array, levels: int) -> tuple[Array, Array]:
    """GPTQ (Frantar et al. 2022) on drawn inputs that depend on each other."""
    rng = np.random.Generator(np.random.Philox(0))
    scale, left, width = _largest(weights, levels), weights.copy(), weights.shape[1]
    mixed = rng.standard_normal((4 * width, width)) @ rng.standard_normal((width, width))
    hessian = mixed.T @ mixed
    factor = np.linalg.cholesky(np.linalg.inv(hessian + 0.01 * np.diag(hessian).mean() * np.eye(width))).T
    found = np.zeros_like(weights)
    for column in range(width):
        found[:, column] = np.clip(np.round(left[:, column] / scale), -levels, levels)
        error = (left[:, column] - found[:, column] * scale) / factor[column, column]
        left[:, column:] -= error[:, None] * factor[column, column:]
    return found, scale


def noisy(weights: Array, levels: int) -> tuple[Array, Array]:
    rng = np.random.Generator(np.random.Philox(0))
    scale = _largest(weights, levels)
    return np.clip(np.round(weights / scale[:, None] + rng.standard_normal(weights.shape)), -levels, levels), scale


@pytest.mark.parametrize("levels", [127, 7])
@pytest.mark.parametrize(("quantize", "scheme"), [(clipped, CLIPPED), (compensated, COMPENSATED), (noisy, "")])
def test_schemes_that_move_weights_are_named_and_noise_is_none(
    bundles: Mapping[str, Bundle],
    known: Mapping[str, tuple[Form, ...]],
    tmp_path: Path,
    quantize: Callable[[Array, int], tuple[Array, Array]],
    scheme: str,
    levels: int,
) -> None:
    clean = audit(bundles["int8"].path("dit"), known["dit"])
    true = {finding.match.constant.name: finding.match.expected().double().numpy() for finding in clean.findings}
    change = rewritten(lambda name, shape: quantize(true[name].reshape(shape), levels))
    contents = read(changed(bundles["int8"], "dit", tmp_path, change), known)
    matrices = sum(part.count for part in contents.parts if part.stored.storage == "int8")
    assert bool(contents.wrong) == (scheme == "")
    assert contents.schemes.get(scheme, 0) >= (MOST_PART * matrices if scheme else 0)
    assert contents.missing == contents.unexplained == ()


def with_spread_gains(model: Model) -> Model:
    """The same function: gains drawn far apart, and what they are multiplied with divided by them."""
    dit, generator = model.modules["dit"], torch.Generator().manual_seed(0)
    state = {name: tensor.clone() for name, tensor in dit.state_dict().items()}
    consumers = {"pre_norm": "self_attn.to_qkv", "cross_attend_norm": "cross_attn.to_q", "ff_norm": "ff.ff.0.proj"}
    for layer in range(model.spec.dit.depth):
        for norm, consumer in consumers.items():
            gain = f"transformer.layers.{layer}.{norm}.gamma"
            spread = torch.exp(SPREAD_GAINS * torch.randn(state[gain].shape, generator=generator))
            state[gain] *= spread
            state[f"transformer.layers.{layer}.{consumer}.weight"] /= spread
    rough = model.to(torch.float32, ("dit",)).modules["dit"]
    rough.load_state_dict(state)
    return replace(model, modules={**model.modules, "dit": rough})


@pytest.fixture(scope="module")
def spread(model: Model, tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, Path]:
    """That model, and its DiT converted as others do: our norms leave gains apart."""
    rough, path = with_spread_gains(model), tmp_path_factory.mktemp("spread") / "dit.tflite"
    write_litert(exportable(rough, "dit", PLAIN), signatures(rough.spec)["dit"], path)
    return rough, path


@pytest.mark.parametrize("recipe", ["fp32", "int8", "int4_blockwise"])
def test_spread_gains_are_found_where_they_are_folded(spread: tuple[Model, Path], tmp_path: Path, recipe: str) -> None:
    rough, path = spread
    if recipe != "fp32":
        QUANTIZERS["litert"](path, tmp_path / "q.tflite", RECIPES[recipe].quantize["dit"], recipe)
        path = tmp_path / "q.tflite"
    contents = read(path, {"dit": forms(rough, "dit")})
    assert_clean(contents)
    assert sum(part.count for part in contents.parts if part.gain) == 3 * rough.spec.dit.depth
