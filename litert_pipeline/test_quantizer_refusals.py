"""What LiteRT's quantizer raises for a recipe that does not fit is told as the recipe's; no file is left of it."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest

from litert_pipeline.build.quantize import QUANTIZERS
from reference.spec.errors import InputError

REFUSALS = [
    ValueError("no scheme"), KeyError("algorithm"), IndexError("no axis"), TypeError("no int"), RuntimeError("no kernel"),
    AttributeError("no bits"), AssertionError("a block of 0"), re.error("missing )"),
]  # fmt: skip


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: type(error).__name__)
def test_it_is_told_as_the_recipe_s(error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: str, entries: object) -> NoReturn:
        raise error

    monkeypatch.setitem(sys.modules, "litert_quantizer", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "litert_quantizer.quantizer", SimpleNamespace(Quantizer=refuse))
    with pytest.raises(InputError, match=r"recipe 'mine': litert-quantizer refuses it for dit\.tflite \(.+\)"):
        QUANTIZERS["litert"](tmp_path / "dit.tflite", tmp_path / "out.tflite", [], "mine")
    assert list(tmp_path.iterdir()) == []
