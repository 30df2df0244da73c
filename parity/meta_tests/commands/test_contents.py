"""What a file is made of, printed for people and for programs."""

import json
from collections.abc import Mapping

import pytest
from typer.testing import CliRunner

from litert_pipeline.bundle import Bundle
from parity.__main__ import app


@pytest.mark.parametrize("recipe", ["int8", "onnx_int8"])
def test_what_programs_read_holds_nothing_else(bundles: Mapping[str, Bundle], recipe: str) -> None:
    result = CliRunner().invoke(app, ["contents", str(bundles[recipe].path("dit")), "--json"])
    assert result.exit_code == 0, result.output
    (stage,) = json.loads(result.stdout)["stages"]
    assert stage["stage"] == "dit"


def test_people_see_storage_and_scales(bundles: Mapping[str, Bundle]) -> None:
    result = CliRunner().invoke(app, ["contents", str(bundles["int4_blockwise"].path("dit"))])
    assert result.exit_code == 0, result.output
    assert "int4" in result.stdout
    assert "block of 32" in result.stdout
