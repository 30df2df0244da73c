"""Stages converted in processes of their own: the same file, the peak told, failures told in one sentence."""

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from fixtures import TINY_MODEL_DIR
from litert_pipeline.build.own_process import convert_in_own_process
from litert_pipeline.bundle import Bundle
from litert_pipeline.run.litert import LiteRTStage
from reference.pipeline import load_model
from reference.progress import show_progress
from reference.spec.errors import InputError, raise_process_error
from reference.spec.stages import signatures

LEAST_BYTES = 2**27  # torch alone takes more


def test_a_stage_converted_apart_answers_like_one_converted_here(bundles: dict[str, Bundle], tmp_path: Path) -> None:
    path = tmp_path / "decoder.tflite"
    assert convert_in_own_process(TINY_MODEL_DIR, "fp32", "decoder", path) > LEAST_BYTES
    signature = signatures(load_model(TINY_MODEL_DIR).spec)["decoder"]
    rng = np.random.Generator(np.random.Philox(0))
    feed = {"latents": rng.standard_normal(signature.inputs[0].shape, dtype=np.float32)}
    answers = []
    for file in (path, bundles["fp32"].path("decoder")):
        with LiteRTStage(file, signature) as run:
            answers.append(run(feed)["audio"])
    assert np.array_equal(*answers)


@pytest.mark.parametrize(("model", "recipe", "words"), [("nowhere", "fp32", "no such folder"), (TINY_MODEL_DIR, "int3", "int3")])
def test_what_goes_wrong_there_is_told_here(tmp_path: Path, model: Path, recipe: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        convert_in_own_process(Path(model), recipe, "decoder", tmp_path / "decoder.tflite")
    assert not (tmp_path / "decoder.tflite").exists()


@pytest.mark.parametrize(
    ("code", "errors", "words"),
    [
        (1, "noise\nerror: the file is bad\nmore noise", "^the file is bad$"),
        (1, "Traceback\nValueError: 3", "^ValueError: 3$"),
        (-9, "", r"converting dit ended with exit code -9 \(out of memory\?\)"),
    ],
)
def test_the_reason_is_found_in_what_the_process_printed(code: int, errors: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        raise_process_error(code, errors, "converting dit")
    raise_process_error(0, errors, "converting dit")


def test_progress_says_what_begins_and_when() -> None:
    stream = io.StringIO()
    with show_progress(Console(file=stream, width=40)) as say:
        say("converting [dit] " + 60 * "x")
    (line,) = stream.getvalue().strip().splitlines()
    assert line.split() == ["0", "s", "converting", "[dit]", 60 * "x"]
