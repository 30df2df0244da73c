"""Every rewrite computes what the original computes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from fixtures import TINY_MODEL_DIR
from litert_pipeline.build.convert import exportable
from litert_pipeline.build.export import write_litert
from litert_pipeline.build.rewrites import fold_oobleck, freeze_rope
from litert_pipeline.run.runner import LiteRTStage
from parity import metrics
from parity.budgets import FLOAT
from reference.pipeline import Model, load_model
from reference.spec.config import CONFIG_NAME
from reference.spec.tensors import signatures

REORDERED_FLOAT64 = 1e-12


@pytest.fixture(scope="module")
def exact() -> Model:
    return load_model(TINY_MODEL_DIR).to(torch.float64)


def normal(*shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.Generator(np.random.Philox(0)).standard_normal(shape))


def test_folded_decoder_is_the_decoder(exact: Model) -> None:
    latents = normal(1, 12, 9)
    truth = exact.modules["decoder"](latents)["audio"]
    folded = fold_oobleck(exact.modules["decoder"])
    assert not [name for name, _ in folded.named_parameters() if name.endswith("weight_v")]
    assert metrics.relative_l2(truth.numpy(), folded(latents)["audio"].numpy()) <= REORDERED_FLOAT64


def test_folded_encoder_is_the_encoder(exact: Model) -> None:
    audio, noise = normal(1, 2, 3 * 2048), normal(1, 12, 3)
    truth = exact.modules["encoder"](audio, noise)["init_latents"]
    folded = fold_oobleck(exact.modules["encoder"])(audio, noise)["init_latents"]
    assert metrics.relative_l2(truth.numpy(), folded.numpy()) <= REORDERED_FLOAT64


def test_frozen_rope_is_rope(exact: Model) -> None:
    spec = exact.spec
    feed = {
        "x": normal(*spec.latent_shape),
        "t": torch.tensor([0.7], dtype=torch.float64),
        "cross_attention_cond": normal(1, spec.prompt.max_length + 1, spec.cond_dim),
        "global_cond": normal(1, spec.cond_dim),
    }
    truth = exact.modules["dit"](**feed)["velocity"]
    frozen = freeze_rope(exact.modules["dit"], spec.dit.positions(spec.latent_frames))(**feed)["velocity"]
    assert metrics.relative_l2(truth.numpy(), frozen.numpy()) <= REORDERED_FLOAT64


def test_frozen_rope_refuses_another_length(exact: Model) -> None:
    frozen = freeze_rope(exact.modules["dit"], exact.spec.latent_frames + 2)
    with pytest.raises(ValueError, match="frozen for 42 positions, asked for 41"):
        frozen.transformer.rotary_pos_emb(41)  # type: ignore[operator, union-attr]


def test_chunked_coding_converts(tmp_path: Path) -> None:
    """A window of 160 frames is coded in two chunks, in the exported graph too."""
    folder = Path(shutil.copytree(TINY_MODEL_DIR, tmp_path / "model"))
    config = json.loads((folder / CONFIG_NAME).read_text())
    config["sample_size"], config["model"]["pretransform"]["chunked"] = 160 * 2048, True
    (folder / CONFIG_NAME).write_text(json.dumps(config))
    model = load_model(folder)
    assert model.spec.coding == "in windows of 128 latent frames, 32 overlapping"
    signature = signatures(model.spec)["decoder"]
    write_litert(exportable(model, "decoder"), signature, tmp_path / "decoder.tflite")
    feed = {"latents": normal(*model.spec.latent_shape).float().numpy()}
    truth = model.to(torch.float64).stage("decoder")(feed)["audio"]
    rounding = metrics.relative_l2(truth, model.stage("decoder")(feed)["audio"])
    with LiteRTStage(tmp_path / "decoder.tflite", signature) as converted:
        assert metrics.relative_l2(truth, converted(feed)["audio"]) <= FLOAT.limits(rounding)[1]


def test_rewrites_leave_the_original_alone(exact: Model) -> None:
    before = list(exact.modules["decoder"].state_dict())
    fold_oobleck(exact.modules["decoder"])
    assert list(exact.modules["decoder"].state_dict()) == before
