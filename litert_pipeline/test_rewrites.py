"""Every rewrite computes what the original computes."""

import numpy as np
import pytest
import torch

from fixtures import TINY_MODEL_DIR
from litert_pipeline.build.rewrites import fold_oobleck, freeze_rope
from parity import metrics
from reference.pipeline import Model, load_model

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


def test_rewrites_leave_the_original_alone(exact: Model) -> None:
    before = list(exact.modules["decoder"].state_dict())
    fold_oobleck(exact.modules["decoder"])
    assert list(exact.modules["decoder"].state_dict()) == before
