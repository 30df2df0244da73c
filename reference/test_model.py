"""The tiny model and the reference that runs it: shapes, signals, loading, T5 against transformers."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fixtures import PROMPTS_FILE, TINY_MODEL_DIR
from fixtures.make_model import make_model
from parity.measure import metrics
from reference.model import oobleck
from reference.model_files import SPIECE_NAME
from reference.pipeline import Model, load_model
from reference.spec.errors import InputError
from reference.spec.files import sha256_of
from reference.spec.generation import Request, generate
from reference.spec.model import ChunkSpec
from reference.spec.noise import philox
from reference.spec.prompt import EOS_ID, PAD_ID, Tokenizer
from reference.spec.stages import ALL_STAGES, signatures
from reference.spec.t5_positions import relative_position_buckets
from reference.spec.tensors import Tensors

PROMPT = "tight drum loop with dry snare and deep kick, 120 BPM"
VELOCITY_RMS = (0.5, 2.0)
AUDIO_RMS_DBFS = (-30.0, -10.0)
VISIBLE_CHANGE = 0.1  # relative L2 of the audio: 20 dB above any precision's error
FLOAT64_ROUNDING = 1e-12  # measured 2e-15
T5_ROUNDING = 2e-6  # float32, three layers; measured 2e-7


@pytest.fixture(scope="module")
def tiny() -> Model:
    return load_model(TINY_MODEL_DIR)


def trace(model: Model, prompt: str = PROMPT, seconds: float = 1.5, seed: int = 0) -> Tensors:
    return generate(model.pipeline(), Request(prompt=prompt, seconds=seconds), philox(model.spec.latent_shape, seed))


def test_the_committed_tiny_model_is_what_its_seed_gives(tmp_path: Path) -> None:
    make_model(tmp_path / "again", "tiny", 0)
    for path in sorted(TINY_MODEL_DIR.rglob("*.*")):
        again = tmp_path / "again" / path.relative_to(TINY_MODEL_DIR)
        assert sha256_of(again) == sha256_of(path), path.name


@pytest.mark.parametrize("stage", ALL_STAGES)
def test_no_two_axes_share_a_length(tiny: Model, stage: str) -> None:
    signature = signatures(tiny.spec)[stage]
    for tensor in (*signature.inputs, *signature.outputs):
        assert len(set(tensor.shape)) == len(tensor.shape), str(tensor)


def test_heads_exercise_partial_rope_and_qk_norm(tiny: Model) -> None:
    assert tiny.spec.dit.rotary_dim < tiny.spec.dit.head_dim
    assert tiny.spec.dit.num_heads > 1
    assert tiny.spec.dit.qk_norm == "ln"


def test_signals_are_realistic(tiny: Model) -> None:
    run = trace(tiny)
    for step in range(8):
        assert VELOCITY_RMS[0] <= np.sqrt(np.mean(run[f"v_{step}"] ** 2)) <= VELOCITY_RMS[1]
    level_dbfs = 10 * np.log10(np.mean(run["audio"] ** 2))
    assert AUDIO_RMS_DBFS[0] <= level_dbfs <= AUDIO_RMS_DBFS[1]
    assert np.abs(run["audio"]).max() < 1


@pytest.mark.parametrize(
    "change", [{"prompt": "warm pad, slow"}, {"seconds": 4.0}, {"seed": 1}], ids=lambda c: next(iter(c))
)
def test_what_the_user_changes_can_be_heard(tiny: Model, change: dict[str, Any]) -> None:
    assert metrics.relative_l2(trace(tiny)["audio"], trace(tiny, **change)["audio"]) >= VISIBLE_CHANGE


@pytest.mark.parametrize("seconds", [8.0, 9.0, 256.0])
def test_seconds_are_clamped_to_the_maximum(tiny: Model, seconds: float) -> None:
    limit = trace(tiny, seconds=tiny.spec.seconds.max_s)
    assert np.array_equal(trace(tiny, seconds=seconds)["global_cond"], limit["global_cond"])


def test_padding_rows_are_zero_and_still_attended_to(tiny: Model) -> None:
    run = trace(tiny, prompt="a")
    assert not run["cross_attention_cond"][0, 2:-1].any()
    dit = tiny.modules["dit"]
    cross = torch.from_numpy(run["cross_attention_cond"])
    feed = [torch.from_numpy(run["x_0"]), torch.ones(1), cross, torch.from_numpy(run["global_cond"])]
    with torch.inference_mode():
        whole = dit(*feed)["velocity"]
        feed[2] = torch.cat([cross[:, :2], cross[:, -1:]], dim=1)
        masked = dit(*feed)["velocity"]
    assert metrics.relative_l2(whole.numpy(), masked.numpy()) >= VISIBLE_CHANGE


def test_float64_is_float64_throughout(tiny: Model) -> None:
    """A float32 step hidden inside would show as an error of float32's size between two float64 forms of T5."""
    exact, rounded = trace(tiny.to(torch.float64)), trace(tiny)
    for name in ("cross_attention_cond", "v_0", "audio"):
        assert exact[name].dtype == np.float64
        assert not np.array_equal(exact[name], exact[name].astype(np.float32)), "values have only float32 digits"
        assert metrics.relative_l2(exact[name], rounded[name]) > 0


@pytest.mark.parametrize("frames", [65, 96, 112], ids=["one frame more", "two windows", "a last one that overlaps more"])
def test_chunked_coding_changes_nothing_but_rounding(tiny: Model, frames: int) -> None:
    """Half the overlap, 16 frames, is more than either half of the autoencoder sees to one side: the config's switch
    is about memory. Strides and kernels are those of the full model, windows half as long."""
    exact = tiny.to(torch.float64)
    rng = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 12, frames, generator=rng, dtype=torch.float64)
    audio = torch.randn(1, 2, frames * 2048, generator=rng, dtype=torch.float64) * 0.1
    for module, feed in ((exact.modules["decoder"], (latents,)), (exact.modules["encoder"], (audio, latents))):
        with torch.inference_mode():
            (whole,) = module(*feed).values()
            module.chunks = ChunkSpec(frames=64)  # type: ignore[assignment]
            (chunked,) = module(*feed).values()
        assert metrics.relative_l2(whole.numpy(), chunked.numpy()) <= FLOAT64_ROUNDING


def test_windows_that_overlap_too_little_are_heard(tiny: Model) -> None:
    exact = tiny.to(torch.float64).modules["decoder"]
    latents = torch.randn(1, 12, 160, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.inference_mode():
        whole = exact(latents)["audio"]
        exact.chunks = ChunkSpec(overlap=8)  # type: ignore[assignment]
        seams = exact(latents)["audio"]
    assert metrics.relative_l2(whole.numpy(), seams.numpy()) > FLOAT64_ROUNDING


def test_t5_is_transformers_t5(tiny: Model) -> None:
    from transformers import T5Config, T5EncoderModel

    folder = tiny.t5_folder
    oracle = T5EncoderModel(T5Config.from_json_file(folder / "config.json")).eval()
    missing, unexpected = oracle.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    assert set(missing) <= {"encoder.embed_tokens.weight"}
    assert not unexpected
    ids, mask = (torch.from_numpy(array).long() for array in tiny.tokenizer(PROMPT))
    with torch.inference_mode():
        ours = tiny.modules["conditioner"].t5(ids, mask)
        theirs = oracle(input_ids=ids, attention_mask=mask).last_hidden_state
    valid = int(mask.sum())
    assert metrics.relative_l2(theirs.numpy()[:, :valid], ours.numpy()[:, :valid]) <= T5_ROUNDING


@pytest.mark.parametrize("length", [1, 28, 64, 128, 300])
def test_position_buckets_are_transformers_buckets(length: int) -> None:
    from transformers.models.t5.modeling_t5 import T5Attention

    position = torch.arange(length)
    theirs = T5Attention._relative_position_bucket(position[None] - position[:, None], True, 32, 128)
    assert np.array_equal(relative_position_buckets(length, 32, 128), theirs.numpy())


@pytest.mark.parametrize(("text", "tokens"), [("", 1), ("a", 2)])
def test_short_prompts_end_with_eos_and_padding(tiny: Model, text: str, tokens: int) -> None:
    ids, mask = tiny.tokenizer(text)
    assert mask.sum() == tokens
    assert ids[0, tokens - 1] == EOS_ID
    assert (ids[0, tokens:] == PAD_ID).all()


def test_long_prompts_are_cut_and_keep_eos(tiny: Model) -> None:
    ids, mask = tiny.tokenizer("a " * 200)
    assert mask.all()
    assert ids[0, -1] == EOS_ID
    assert EOS_ID not in ids[0, :-1]


def test_shared_spec_and_litert_run_need_no_torch() -> None:
    code = "import sys; sys.modules['torch'] = None; import litert_pipeline.run.pipeline, reference.spec.sampling.samplers"
    subprocess.run([sys.executable, "-c", code], check=True)
    listed = f"{code}; print(*(name for name in sys.modules if name.startswith('litert_pipeline.build')))"
    assert (
        subprocess.run([sys.executable, "-c", listed], check=True, capture_output=True, text=True).stdout.strip() == ""
    )


def test_cases_cover_the_edges(tiny: Model) -> None:
    from parity.measure.cases import load_cases

    cases = {case.id: case for case in load_cases(tiny.tokenizer, tiny.spec)}
    assert len(cases) >= 12, PROMPTS_FILE
    length = tiny.spec.prompt.max_length
    tokens = {name: tiny.tokenizer.count(case.request.prompt) for name, case in cases.items()}
    assert tokens["empty"] == 1
    assert [tokens[name] for name in ("almost_full", "exactly_full", "one_too_many")] == [
        length - 1,
        length,
        length + 1,
    ]
    seconds = {case.request.seconds for case in cases.values()}
    assert {0.0, tiny.spec.seconds.max_s} <= seconds
    assert max(seconds) > tiny.spec.seconds.max_s


def test_tokenizer_larger_than_the_embedding_is_refused() -> None:
    with pytest.raises(InputError, match="has room for 10"):
        Tokenizer(TINY_MODEL_DIR / "t5-tiny" / SPIECE_NAME, 28, vocab_size=10)


@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize("dilation", [1, 9])
@pytest.mark.parametrize("values", [21, 200, 1000])
def test_float64_convolution_in_blocks_is_the_convolution(
    monkeypatch: pytest.MonkeyPatch, values: int, dilation: int, stride: int
) -> None:
    """Whatever the block, and where its last one is short."""
    rng = np.random.Generator(np.random.Philox(values))
    shapes = {"x": (2, 3, 157), "kernel": (5, 3, 7), "bias": (5,)}
    x, kernel, bias = (torch.from_numpy(rng.standard_normal(shape)) for shape in shapes.values())
    whole = torch.nn.functional.conv1d(x, kernel, bias, stride, 3 * dilation, dilation)
    monkeypatch.setattr(oobleck, "UNFOLDED_VALUES", values)
    blocks = oobleck.conv1d(x, kernel, bias, stride, 3 * dilation, dilation)
    assert metrics.relative_l2(whole.numpy(), blocks.numpy()) <= FLOAT64_ROUNDING
