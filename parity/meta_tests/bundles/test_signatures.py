"""A file may have several signatures, so long as exactly one has the tensors that are wanted."""

import copy
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from fixtures import TINY_MODEL_DIR
from litert_pipeline.bundle import Bundle
from litert_pipeline.run.classic import open_interpreter
from litert_pipeline.run.litert import LiteRTStage
from parity.bundles.files import Files
from parity.bundles.foreign import read_foreign
from parity.bundles.interface import read_interfaces
from parity.judge.judge import Judge
from parity.measure.arithmetic import FLOAT32, INT8
from parity.meta_tests.bundles.test_foreign import run
from parity.meta_tests.bundles.test_purity import edited
from reference.spec.errors import InputError
from reference.spec.stages import DECODER, ENCODER

OPENERS: dict[str, Callable[..., Any]] = {"CompiledModel": LiteRTStage, "Interpreter": open_interpreter}


def another(name: str) -> Callable[[Any], None]:
    """One more signature, first in the file, whose output is called so."""

    def change(model: Any) -> None:
        more = copy.deepcopy(model.signatureDefs[0])
        more.signatureKey, more.outputs[0].name = b"another", name.encode()
        model.signatureDefs = [more, *model.signatureDefs]

    return change


@pytest.mark.parametrize("opener", OPENERS)
def test_the_signature_that_fits_is_run(bundles: Mapping[str, Bundle], tmp_path: Path, opener: str) -> None:
    signature = bundles["fp32"].manifest.stages[DECODER].signature
    path = Path(shutil.copyfile(bundles["fp32"].path(DECODER), tmp_path / "decoder.tflite"))
    feed = {tensor.name: np.ones(tensor.shape, tensor.dtype) for tensor in signature.inputs}
    with OPENERS[opener](path, signature) as run:
        alone = run(feed)["audio"]
    edited(path, another("sound"))
    assert [interface.key for interface in read_interfaces(path)] == ["another", "serving_default"]
    assert [interface.outputs[0].name for interface in read_interfaces(path)] == ["sound", "audio"]
    with OPENERS[opener](path, signature) as run:
        assert np.array_equal(run(feed)["audio"], alone)


@pytest.mark.parametrize("opener", OPENERS)
def test_two_that_fit_leave_a_choice_nobody_can_make(bundles: Mapping[str, Bundle], tmp_path: Path, opener: str) -> None:
    signature = bundles["fp32"].manifest.stages[DECODER].signature
    path = Path(shutil.copyfile(bundles["fp32"].path(DECODER), tmp_path / "decoder.tflite"))
    edited(path, another("audio"))
    with pytest.raises(InputError, match=r"decoder\.tflite: "), OPENERS[opener](path, signature):
        pass


def together(path: Path, other: Path, keys: tuple[str, str], out: Path) -> None:
    """One file with the graphs of two, each under a signature called by its key."""
    model, more = whole(path), whole(other)
    for graph in more.subgraphs:
        for tensor in graph.tensors:
            tensor.buffer += len(model.buffers)
        for operator in graph.operators:
            operator.opcodeIndex += len(model.operatorCodes)
    more.signatureDefs[0].subgraphIndex += len(model.subgraphs)
    model.signatureDefs += more.signatureDefs
    for entry, key in zip(model.signatureDefs, keys, strict=True):
        entry.signatureKey = key.encode()
    for name in ("subgraphs", "buffers", "operatorCodes"):
        getattr(model, name).extend(getattr(more, name))
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    out.write_bytes(bytes(builder.Output()))


def whole(path: Path) -> Any:
    """A model with all its data; a quantizer writes some of it behind the model."""
    raw = bytearray(path.read_bytes())
    model = schema.ModelT.InitFromPackedBuf(raw, 0)
    for buffer in model.buffers:
        if buffer.size:
            buffer.data, buffer.offset, buffer.size = raw[buffer.offset : buffer.offset + buffer.size], 0, 0
    return model


@pytest.fixture(scope="module")
def both(bundles: Mapping[str, Bundle], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as somebody may have made it: both halves of the autoencoder in one file, the decoder's INT8."""
    folder = tmp_path_factory.mktemp("signatures") / "both"
    shutil.copytree(bundles["fp32"].folder, folder)
    for name in ("manifest.json", "encoder.tflite", "decoder.tflite"):
        (folder / name).unlink()
    halves = bundles["fp32"].path(ENCODER), bundles["int8_decoder"].path(DECODER)
    together(*halves, ("encode", "decode"), folder / "autoencoder.tflite")
    return folder


def test_each_stage_has_the_arithmetic_of_its_own_signature(both: Path, judge: Judge) -> None:
    bundle, files = read_foreign(both, TINY_MODEL_DIR), Files()
    assert {bundle.path(stage).name for stage in (ENCODER, DECODER)} == {"autoencoder.tflite"}
    assert [files.arithmetic(bundle, stage).weights for stage in (ENCODER, DECODER)] == [FLOAT32, INT8]
    for stage in (ENCODER, DECODER):
        contents = judge.weights.contents(bundle, stage)
        assert (contents.wrong, contents.missing, contents.unexplained) == ((), (), ())
    code, output = run("contents", both / "autoencoder.tflite")
    assert (code, "decoder: autoencoder.tflite" in output, "encoder: autoencoder.tflite" in output) == (0, True, True)


def test_what_no_stage_runs_is_nobody_s(both: Path, tmp_path: Path, judge: Judge) -> None:
    """The half of another model under a signature that fits no stage."""
    folder = Path(shutil.copytree(both, tmp_path / "more"))
    edited(folder / "autoencoder.tflite", lambda model: renamed(model, b"encode"))
    bundle = read_foreign(folder, TINY_MODEL_DIR)
    assert ENCODER not in bundle.manifest.stages
    contents = judge.weights.contents(bundle, DECODER)
    assert contents.unexplained


def renamed(model: Any, key: bytes) -> None:
    """The signature's answer is an integer, as no stage's is."""
    (entry,) = (entry for entry in model.signatureDefs if entry.signatureKey == key)
    graph = model.subgraphs[entry.subgraphIndex]
    graph.tensors[graph.inputs[0]].type = schema.TensorType.INT8
