"""A peer judged: mlx-audiogen 0.2.0, converted and run by its own code. It is refused for three faults, each of which alone would
be enough; with one repaired, the stage it is in is the model's."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from fixtures.make_model import make_model
from fixtures.peers.mlx_audiogen import write
from litert_pipeline.bundle import Bundle, read_bundle
from litert_pipeline.mlx_file import read_described, write_tensors
from parity.faults.injection import with_file
from parity.judge.judge import Judge
from parity.judge.lineup import contenders_of
from parity.measure.metrics import relative_l2
from parity.measure.verdict import Verdict
from parity.runtimes import mlx_audiogen_
from parity.test_parity import case_called
from parity.truth.store import Store
from reference.pipeline import load_model
from reference.spec.stages import ALL_STAGES, CONDITIONER, DECODER, DIT
from reference.spec.tensors import Array

pytestmark = [
    pytest.mark.peers,
    pytest.mark.skipif(mlx_audiogen_.missing() is not None, reason=f"{mlx_audiogen_.missing()}; 'make peers' does"),
]

NAME = "mlx_audiogen_0.2.0"
EPSILON = 1e-5  # of the model's layer norms
NOISE = 1.0  # relative L2: what shares nothing with the right answer
ROUNDINGS = 100.0  # times a limit of float32
SAME = 1e-5  # relative L2: another order of the same sums; measured 2e-7
KEPT_TOKENS = 64  # of any prompt, whatever a model was trained with


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("peer")
    make_model(folder / "model", "tiny-64", seed=0)
    write(folder / "model", folder / "bundle")
    return read_bundle(folder / "bundle")


@pytest.fixture(scope="module")
def judge(peer: Bundle) -> Iterator[Judge]:
    with Judge.of(peer.folder.parent / "model", [peer], store=Store()) as judge:
        yield judge


def checks(judge: Judge, bundle: Bundle, stage: str) -> list[Verdict]:
    """Of a stage fed the truth of one case, by a judge that knows no other answer."""
    with Judge(truths=judge.truths, contenders=contenders_of([bundle])) as own:
        return own.teacher_forced(stage, NAME, case_called(own, "drums"))


def worst(found: list[Verdict], metric: str) -> Verdict:
    return max((check for check in found if check.metric == metric), key=lambda check: check.value)


def test_every_stage_is_refused(judge: Judge, peer: Bundle) -> None:
    assert {stage for stage in ALL_STAGES if any(not check.ok for check in checks(judge, peer, stage))} == set(ALL_STAGES)


def test_the_autoencoder_s_weights_are_not_in_its_files(judge: Judge, peer: Bundle) -> None:
    """Read off the files, nothing is run."""
    missing = {check.stage: check for check in judge.artifacts(peer, "peer") if check.metric == "missing_tensors"}
    assert {stage for stage, check in missing.items() if not check.ok} >= {"decoder", "encoder"}
    assert missing[DIT].ok
    assert missing[CONDITIONER].ok


def contiguous(name: str, array: Array) -> Array:
    """A kernel as it was meant: what lies in the file is the memory of torch's (out, in, k), or (in, out, k), under the shape of
    the transposed view."""
    out, k, came = array.shape
    transposed = name.count("layers.layers") == 2 and name.endswith("layers.layers.1.weight")
    return array.reshape(came, out, k).transpose(1, 2, 0) if transposed else array.reshape(out, came, k).transpose(0, 2, 1)


def test_its_autoencoder_is_noise_and_is_right_once_its_arrays_are_contiguous(
    judge: Judge, peer: Bundle, tmp_path: Path
) -> None:
    """safetensors 0.8.0 has written the memory of transposed views as it lay (huggingface/safetensors#825)."""
    assert worst(checks(judge, peer, DECODER), "relative_l2").value > NOISE
    stored = load_file(peer.path(DECODER))
    repaired = {name: contiguous(name, array) if array.ndim == 3 else array for name, array in stored.items()}
    write_tensors(tmp_path / "decoder.safetensors", repaired, read_described(peer.path(DECODER)))
    assert all(check.ok for check in checks(judge, with_file(peer, DECODER, tmp_path / "decoder.safetensors"), DECODER))


def test_its_dit_errs_by_the_epsilon_of_its_layer_norms(judge: Judge, peer: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlx import nn
    from mlx_audiogen.models.stable_audio import dit

    found = checks(judge, peer, DIT)
    assert not worst(found, "denoised_error").ok
    width = judge.model.spec.dit.embed_dim

    class Norm(nn.LayerNorm):  # type: ignore[misc]
        def __init__(self, dims: int, eps: float) -> None:
            super().__init__(dims, EPSILON if dims == width else eps)

    monkeypatch.setattr(dit.nn, "LayerNorm", Norm)
    assert all(check.ok for check in checks(judge, peer, DIT))


def features_only(self: Any, x: Any) -> Any:
    """Its number embedder with the features in upstream's order."""
    import mlx.core as mx

    x = x.reshape(-1, 1)
    angle = 2 * np.pi * x * self.freqs[None, :]
    return mx.concatenate([x, mx.sin(angle), mx.cos(angle)], axis=-1) @ self.linear_w.T + self.linear_b


def repaired(longest_s: float) -> Callable[[Any, Any], Any]:
    """The same of a number that is clamped and normalised as upstream does."""
    import mlx.core as mx

    return lambda self, x: features_only(self, mx.clip(x, 0, longest_s) / longest_s)


def test_its_numbers_are_neither_normalised_nor_in_order(judge: Judge, peer: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlx_audiogen.models.stable_audio.conditioners import NumberEmbedder

    assert worst(checks(judge, peer, CONDITIONER), "relative_l2.seconds").value > NOISE
    monkeypatch.setattr(NumberEmbedder, "__call__", features_only)
    assert worst(checks(judge, peer, CONDITIONER), "relative_l2.seconds").value > ROUNDINGS * 1e-6
    monkeypatch.setattr(NumberEmbedder, "__call__", repaired(judge.model.spec.seconds.max_s))
    assert all(check.ok for check in checks(judge, peer, CONDITIONER))


def test_of_1_0_the_numbers_stand_the_other_way_round_and_half_of_the_prompt_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its conditioner for 1.0 gives no tensors that 1.0's DiT could be judged with; what it gives is looked at."""
    from mlx_audiogen.models.stable_audio.conditioners import NumberEmbedder

    make_model(tmp_path / "model", "open1-tiny", seed=0)
    write(tmp_path / "model", tmp_path / "bundle")
    model = load_model(tmp_path / "model")
    ids, mask = model.tokenizer("a drum")
    feed = {"input_ids": ids, "attention_mask": mask, "seconds_start": np.float32([1.5]), "seconds_total": np.float32([6.0])}
    monkeypatch.setattr(NumberEmbedder, "__call__", repaired(model.spec.seconds.max_s))
    with mlx_audiogen_.open_stage(None, read_bundle(tmp_path / "bundle"), CONDITIONER, None, 1) as stage:
        theirs, right = stage(feed), model.stage(CONDITIONER)(feed)["global_cond"]
    start, total = np.split(theirs["global_cond"], 2, axis=-1)
    assert relative_l2(right, theirs["global_cond"]) > NOISE / 2
    assert relative_l2(right, np.concatenate([total, start], axis=-1)) < SAME
    assert theirs["cross_attention_cond"].shape[1] == KEPT_TOKENS + 2
