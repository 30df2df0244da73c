"""The gate on a codec's files as Stability's `optimized/tflite` has them: sound ones are published, wrong ones refused."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.make_codec import make_codec
from fixtures.rung_files import write_rungs
from litert_pipeline.bundle import Bundle
from litert_pipeline.run.litert import native_log
from litert_pipeline.run.tapped import IDENTIFIER
from litert_pipeline.rungs import Rungs
from parity.bundles.foreign import left_aside
from parity.bundles.given import given_bundles
from parity.explain.suspects import suspects
from parity.judge.codec_plan import CodecPlan
from parity.judge.judge import Judge
from parity.measure.sweep import Sweep
from parity.measure.verdict import Verdict
from parity.test_parity import assert_ok
from parity.truth.store import Store
from reference.spec.errors import InputError
from reference.spec.stages import CODEC_STAGES, SAME_DECODER, SAME_ENCODER

# Of windows of 32 frames: one shorter, one as long, one longer than a window.
LENGTHS = {"same-tiny": (8, 32, 48), "same-tiny-l": (16, 32)}
VARIANTS = ("litert_fp32", "litert_int8")
FEW = Sweep(draws=9)

pytestmark = pytest.mark.rungs


@pytest.fixture(scope="module", params=LENGTHS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`model`, and somebody's files of it, `theirs`."""
    folder = tmp_path_factory.mktemp("rungs")
    make_codec(folder / "model", request.param, seed=0)
    write_rungs(folder / "model", folder / "theirs", LENGTHS[request.param])
    (folder / "theirs" / "README.md").write_text("how they were made")
    return folder


@pytest.fixture
def judge(made: Path) -> Iterator[Judge]:
    with Judge.of(made / "model", given_bundles([made / "theirs"], made / "model"), store=Store()) as found:
        yield found


def checks(judge: Judge, *variants: str) -> list[Verdict]:
    return list(CodecPlan.of_codec(judge, list(variants), sweep=FEW).checks(lambda _: None))


def test_both_precisions_of_a_folder_are_read_and_published(judge: Judge, made: Path) -> None:
    bundles = given_bundles([made / "theirs"], made / "model")
    assert [bundle.manifest.recipe for bundle in bundles] == ["fp32", "int8"]
    assert left_aside(bundles[0], bundles) == ["README.md"]
    found = checks(judge, *VARIANTS)
    assert_ok(found)
    assert {check.stage for check in found} - {"bundle"} == set(CODEC_STAGES)
    asked = {check.case for check in found}
    for frames in rungs(bundles[0]):
        assert asked & {f"{frames} frames of music", "music"}


def rungs(bundle: Bundle) -> list[int]:
    binding = bundle.manifest.stages[SAME_ENCODER].binding
    assert isinstance(binding, Rungs)
    return list(binding.rungs)


def test_what_was_not_asked_is_told(judge: Judge) -> None:
    told = CodecPlan.of_codec(judge, [VARIANTS[0]], sweep=FEW).covered[SAME_DECODER]
    assert "; of litert_fp32 lengths that signatures of " in told


def rewritten(path: Path, change: Callable[[Any, Any], None]) -> None:
    """A file's model changed in place; `change` gets the model and the schema."""
    with native_log():
        import flatbuffers
        from ai_edge_litert import schema_py_generated as schema
    model = schema.ModelT.InitFromPackedBuf(bytearray(path.read_bytes()), 0)
    change(model, schema)
    builder = flatbuffers.Builder(path.stat().st_size)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    path.write_bytes(bytes(builder.Output()))


def largest(model: Any, graph: Any) -> Any:
    """The tensor with most weights of a graph."""
    def size_bytes(tensor: Any) -> int:
        data = model.buffers[tensor.buffer].data
        return 0 if data is None else len(data)

    return max(graph.tensors, key=size_bytes)


def one_row(data: Any) -> np.ndarray:
    """Weights of which the first 64 are a half larger."""
    values = np.frombuffer(bytes(data), np.float32).copy()
    values[:64] *= 1.5
    return values.view(np.uint8)


def a_row_of_all(model: Any, schema: Any) -> None:
    buffer = model.buffers[largest(model, model.subgraphs[0]).buffer]
    buffer.data = one_row(buffer.data)


def a_row_of_one_length(model: Any, schema: Any) -> None:
    """As a merge does that takes one signature from an older export."""
    tensor, other = largest(model, model.subgraphs[0]), schema.BufferT()
    other.data = one_row(model.buffers[tensor.buffer].data)
    model.buffers.append(other)
    tensor.buffer = len(model.buffers) - 1


@pytest.mark.parametrize("change", [a_row_of_all, a_row_of_one_length])
@pytest.mark.parametrize("half", [("enc_fp32.tflite", SAME_ENCODER), ("dec_fp32.tflite", SAME_DECODER)])
def test_wrong_weights_of_all_or_of_one_length_are_refused(
    judge: Judge, made: Path, tmp_path: Path, half: tuple[str, str], change: Callable[[Any, Any], None]
) -> None:
    (name, stage), folder = half, Path(shutil.copytree(made / "theirs", tmp_path / "theirs"))
    rewritten(folder / name, change)
    with judge.of_others(given_bundles([folder], made / "model")) as wrong:
        assert {check.stage for check in suspects(checks(wrong, VARIANTS[0]))} == {stage}


REFUSED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a half is missing": (
        lambda folder: (folder / "enc_w8a8.tflite").unlink(), "beside dec_w8a8.tflite there is no same_encoder",
    ),
    "a half is there twice": (
        lambda folder: shutil.copyfile(folder / "enc_fp32.tflite", folder / "dec_fp32.tflite"), "are both same_encoder",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_folder_that_is_no_codec_is_told(made: Path, tmp_path: Path, name: str) -> None:
    change, words = REFUSED[name]
    folder = Path(shutil.copytree(made / "theirs", tmp_path / "theirs"))
    change(folder)
    with pytest.raises(InputError, match=words):
        given_bundles([folder], made / "model")
