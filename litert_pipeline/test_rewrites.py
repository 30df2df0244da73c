"""Every rewrite computes what the original computes."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fixtures import TINY_MODEL_DIR
from litert_pipeline.build.channels_last import channels_last, windowed
from litert_pipeline.build.export import write_litert
from litert_pipeline.build.rewrites import fold_oobleck, freeze_rope
from litert_pipeline.build.stage import exportable
from litert_pipeline.build.windows import Windows
from litert_pipeline.bundle import Bundle
from litert_pipeline.run.litert import LiteRTStage
from parity.judge.judge import Judge
from parity.measure import metrics
from parity.measure.limits import FLOAT
from parity.measure.teacher_forcing import stage_feed
from parity.test_parity import case_called
from reference.pipeline import Model, load_model
from reference.spec.config import CONFIG_NAME
from reference.spec.stages import signatures

REORDERED_FLOAT64 = 1e-12
WINDOW = 4  # latent frames


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


@pytest.mark.parametrize(("stage", "feed"), [("decoder", [(1, 12, 9)]), ("encoder", [(1, 2, 3 * 2048), (1, 12, 3)])])
def test_with_channels_last_it_is_the_same(exact: Model, stage: str, feed: list[tuple[int, ...]]) -> None:
    inputs, module = [normal(*shape) for shape in feed], exact.modules[stage]
    last = channels_last(fold_oobleck(module))
    assert [path for path, _ in last.named_modules()] == [path for path, _ in module.named_modules()]
    for output, truth in module(*inputs).items():
        assert metrics.relative_l2(truth.numpy(), last(*inputs)[output].numpy()) <= REORDERED_FLOAT64


def test_a_part_that_may_care_for_the_order_of_axes_is_refused(exact: Model) -> None:
    folded = fold_oobleck(exact.modules["decoder"])
    folded.get_submodule("layers.3.layers")[0] = torch.nn.Softmax(dim=1)  # type: ignore[operator]
    with pytest.raises(TypeError, match="Softmax"):
        channels_last(folded)


@pytest.mark.parametrize("frames", [1, 3, 9, 10, 23, 40])
def test_windows_decode_what_the_whole_decodes(exact: Model, frames: int) -> None:
    latents, whole = normal(1, 12, frames), channels_last(fold_oobleck(exact.modules["decoder"]))
    truth = whole(latents)["audio"].numpy()
    assert metrics.relative_l2(truth, windowed(whole, WINDOW)(latents)["audio"].numpy()) <= REORDERED_FLOAT64


def test_windows_overlap_by_no_sample_too_many(exact: Model) -> None:
    latents, decoder = normal(1, 12, 23), channels_last(fold_oobleck(exact.modules["decoder"]))
    truth = decoder(latents)["audio"].numpy()
    layers = windowed(decoder, WINDOW).layers
    layers.windows = replace(layers.windows, halo=layers.windows.halo - 1)  # type: ignore[arg-type,type-var,union-attr]
    assert metrics.relative_l2(truth, decoder(latents)["audio"].numpy()) > REORDERED_FLOAT64


@given(length=st.integers(1, 400), advance=st.integers(1, 90), halo=st.integers(0, 30))
def test_windows_cover_all_and_overlap_enough(length: int, advance: int, halo: int) -> None:
    found = list(Windows(advance=advance, halo=halo, ratio=1).over(length))
    long = min(advance + 2 * halo, length)
    assert [begin for _, begin, _ in found] == [0, *(end for _, _, end in found[:-1])]
    assert found[-1][2] == length
    for start, begin, end in found:
        assert 0 <= start <= begin < end <= start + long <= length
        assert start == 0 or begin - start >= halo
        assert start + long == length or start + long - end >= halo


def test_a_converted_decoder_in_windows_answers_bit_for_bit_like_the_whole(
    bundles: Mapping[str, Bundle], judge: Judge
) -> None:
    feed = stage_feed("decoder", judge.truth(case_called(judge, "drums")))
    whole, pieces = (judge.stage(variant, "decoder")(feed)["audio"] for variant in ("litert_fp32", "litert_windowed"))
    assert bundles["windowed"].manifest.stages["decoder"].sha256 != bundles["fp32"].manifest.stages["decoder"].sha256
    assert np.array_equal(whole, pieces)


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


@pytest.mark.more  # converts two stages anew
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
