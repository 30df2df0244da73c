"""A file may have several signatures, so long as exactly one has the tensors that are wanted."""

import copy
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from litert_pipeline.bundle import Bundle
from litert_pipeline.run.classic import open_interpreter
from litert_pipeline.run.litert import LiteRTStage
from parity.bundles.interface import read_interfaces
from parity.meta_tests.bundles.test_purity import edited
from reference.spec.errors import InputError
from reference.spec.stages import DECODER

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
