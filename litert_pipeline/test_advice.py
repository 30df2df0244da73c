"""A runtime's own reason decides what is advised."""

from pathlib import Path

import pytest

from litert_pipeline.run.advice import unusable

REASONS = {
    "LiteRT's operator": ("Didn't find op for builtin opcode 'CONV_2D' version '9'. An older version might", True),
    "ONNX's IR": ("Unsupported model IR version: 13, max supported IR version: 12", True),
    "ONNX's opset": ("Opset 27 is under development and support for this is limited", True),
    "damaged": ("The model is not a valid Flatbuffer buffer", False),
    "shapes": ("Unexpected failure when preparing tensor allocations: 8 != 9", False),
}


@pytest.mark.parametrize("name", REASONS)
def test_what_is_newer_than_the_runtime_is_not_to_be_converted_again(name: str) -> None:
    reason, newer = REASONS[name]
    told = str(unusable(Path("dit.tflite"), "LiteRT", "load", reason))
    assert told.startswith(f"dit.tflite: LiteRT cannot load it ({reason}); ")
    assert told.endswith("update that, or convert it for this one" if newer else "convert it again")
