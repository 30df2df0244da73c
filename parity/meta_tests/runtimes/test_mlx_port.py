"""The MLX port beside the reference, over drawn models: every stage, every kind of layer the reference has."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings

from fixtures import TINY_MODEL_DIR
from fixtures.make_model import make_model
from fixtures.oracle.family import T5_NAME, Member, members, redrawn
from litert_pipeline.build.mlx import quantize_mlx, write_mlx
from litert_pipeline.build.stage import WEIGHTS, exportable
from litert_pipeline.mlx_file import read_described
from parity.measure.budget import UNIT_ROUNDOFF
from parity.measure.metrics import relative_l2
from parity.truth.precision import GROUP, affine_groups
from reference.model_files import SPIECE_NAME, ModelFiles
from reference.modules import build_modules
from reference.pipeline import Model, frozen, load_model
from reference.spec.config import CONFIG_NAME, read_model_spec
from reference.spec.errors import InputError
from reference.spec.prompt import Tokenizer
from reference.spec.stages import signatures
from reference.spec.tensors import Tensors

pytest.importorskip("mlx.core", reason="MLX is not installed ('make gate' does it where it can be had)")

CONFIGURATIONS = 12
DRAWING = settings(max_examples=2 * CONFIGURATIONS, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
                   suppress_health_check=list(HealthCheck))  # fmt: skip
# Times what the reference itself loses in float32: Netlib's BLAS adds one product after the other, angles are computed
# otherwise. Whatever is wrong in a port is a thousand times that.
ROUNDINGS = 16.0
HALF_ROUNDINGS = 64.0  # of float16, that a whole stage computed in it may lose
HALF_UNIT = 2.0**-11
SAME_VALUE = 1e-6  # absolute, of weights below 1: a level times a scale, in float32
ON_THE_EDGE = 1e-3  # of values may lie on the edge between two levels


def model_of(member: Member, folder: Path) -> Model:
    """A member of the family without upstream's code: every tensor drawn."""
    t5_folder = folder / T5_NAME
    t5_folder.mkdir()
    (folder / CONFIG_NAME).write_text(json.dumps(member.config))
    (t5_folder / "config.json").write_text(json.dumps(member.t5))
    shutil.copyfile(TINY_MODEL_DIR / T5_NAME / SPIECE_NAME, t5_folder / SPIECE_NAME)
    spec = read_model_spec(folder / CONFIG_NAME, lambda name: folder / name)
    modules, generator = build_modules(spec), torch.Generator().manual_seed(member.weights_seed)
    for module in modules.values():
        module.load_state_dict(redrawn(module, generator))
    files = ModelFiles(config=folder / CONFIG_NAME, weights=folder / "model.safetensors")
    tokenizer = Tokenizer(t5_folder / SPIECE_NAME, spec.prompt.max_length, spec.t5.vocab_size)
    return Model(files=files, spec=spec, tokenizer=tokenizer, modules=frozen(modules))


def feed_of(model: Model, stage: str, seed: int) -> Tensors:
    """Any inputs: tokens with a padded end, levels and seconds in their range, normals."""
    rng = np.random.Generator(np.random.Philox(seed))
    found: Tensors = {}
    for tensor in signatures(model.spec)[stage].inputs:
        if tensor.name == "attention_mask":
            found[tensor.name] = (np.arange(tensor.shape[1]) <= tensor.shape[1] // 2).astype(np.int32)[None]
        elif tensor.dtype == "int32":
            found[tensor.name] = rng.integers(0, model.spec.t5.vocab_size, tensor.shape, np.int32)
        elif len(tensor.shape) == 1:
            found[tensor.name] = rng.random(tensor.shape, np.float32)
        else:
            found[tensor.name] = rng.standard_normal(tensor.shape, np.float32)
    return found


def errors(model: Model, stage: str, folder: Path, compute: str = "fp32") -> Iterator[tuple[str, float, float]]:
    """Output, how far the port is from float64, and how far the reference is in float32."""
    from parity.runtimes.mlx_port.stage import MlxStage

    path = folder / f"{stage}.safetensors"
    write_mlx(exportable(model, stage, WEIGHTS), model.spec, stage, path)
    feed = feed_of(model, stage, seed=1)
    answers, exact, own = (
        run(feed) for run in (MlxStage(path, signatures(model.spec)[stage], compute), model.exact(stage), model.stage(stage))
    )
    for name, right in exact.items():
        yield name, relative_l2(right, answers[name]), max(relative_l2(right, own[name]), UNIT_ROUNDOFF)


def test_every_stage_agrees_over_the_family(tmp_path: Path) -> None:
    kinds, apart = set(), []

    @DRAWING
    @given(members())
    def each(member: Member) -> None:
        if len(kinds) == CONFIGURATIONS:
            return
        kinds.add(member.key)
        with TemporaryDirectory(dir=tmp_path) as folder:
            model = model_of(member, Path(folder))
            for stage in model.spec.stages:
                found = errors(model, stage, Path(folder))
                apart.extend((stage, name, error / own, member.key) for name, error, own in found if not error <= ROUNDINGS * own)

    each()
    assert len(kinds) == CONFIGURATIONS
    assert apart == []


def test_1_0_s_stages_agree(tmp_path: Path) -> None:
    """Two numbers, unprojected conditioning, shared heads of keys: the same modules. Its autoencoder is Small's."""
    make_model(tmp_path / "model", "open1-tiny", seed=0)
    for stage in ("conditioner", "dit"):
        for name, error, own in errors(load_model(tmp_path / "model"), stage, tmp_path):
            assert error <= ROUNDINGS * own, name


@pytest.mark.parametrize("stage", ["conditioner", "dit"])
def test_float16_computes_in_float16(tmp_path: Path, stage: str) -> None:
    """Not in float32, and no worse than a stage of so many roundings: the frequencies are left."""
    for name, error, own in errors(load_model(TINY_MODEL_DIR), stage, tmp_path, "fp16"):
        assert ROUNDINGS * own < error <= HALF_ROUNDINGS * HALF_UNIT, name


def test_a_token_beyond_the_vocabulary_is_refused(tmp_path: Path) -> None:
    """MLX would read what lies behind the table."""
    from parity.runtimes.mlx_port.stage import MlxStage

    model = load_model(TINY_MODEL_DIR)
    write_mlx(exportable(model, "conditioner", WEIGHTS), model.spec, "conditioner", tmp_path / "x.safetensors")
    feed = feed_of(model, "conditioner", seed=1)
    feed["input_ids"][0, 0] = model.spec.t5.vocab_size
    with pytest.raises(IndexError, match="token ids must be in 0 to 399, found up to 400"):
        MlxStage(tmp_path / "x.safetensors", signatures(model.spec)["conditioner"], "fp32")(feed)


@pytest.mark.parametrize("bits", [8, 4])
def test_quantized_layers_are_what_the_yardstick_rounds_to(tmp_path: Path, bits: int) -> None:
    import mlx.core as mx

    model = load_model(TINY_MODEL_DIR)
    write_mlx(exportable(model, "dit", WEIGHTS), model.spec, "dit", tmp_path / "x.safetensors")
    rules = [{"modules": r"layers\.\d+\.", "bits": bits, "group_size": 64}]
    quantize_mlx(tmp_path / "x.safetensors", tmp_path / "q.safetensors", rules, "mine")
    stored, layers = mx.load(str(tmp_path / "q.safetensors")), read_described(tmp_path / "q.safetensors").quantized
    assert len(layers) == 7 * model.spec.dit.depth
    for layer in layers:
        parts = (stored[f"{layer}.{part}"] for part in ("weight", "scales", "biases"))
        found = np.array(mx.dequantize(*parts, group_size=GROUP, bits=bits))
        rounded = affine_groups(model.modules["dit"].get_parameter(f"{layer}.weight"), bits).numpy()
        assert np.mean(np.abs(found - rounded) > SAME_VALUE) <= ON_THE_EDGE, layer


def test_groups_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    model = load_model(TINY_MODEL_DIR)
    write_mlx(exportable(model, "conditioner", WEIGHTS), model.spec, "conditioner", tmp_path / "x.safetensors")
    rules = [{"modules": "", "bits": 8, "group_size": 64}]
    with pytest.raises(InputError, match=r"recipe 'mine': MLX cannot quantize .*embedding\.1\.weight \[48, 257\]"):
        quantize_mlx(tmp_path / "x.safetensors", tmp_path / "q.safetensors", rules, "mine")


def test_what_does_not_fit_a_stage_is_told(tmp_path: Path) -> None:
    from parity.runtimes.mlx_port.stage import MlxStage

    model = load_model(TINY_MODEL_DIR)
    shallower = replace(model.spec, dit=replace(model.spec.dit, depth=model.spec.dit.depth - 1))
    write_mlx(exportable(model, "dit", WEIGHTS), shallower, "dit", tmp_path / "x.safetensors")
    with pytest.raises(InputError, match="does not fit its stage"):
        MlxStage(tmp_path / "x.safetensors", signatures(model.spec)["dit"], "fp32")
