"""No command replaces what it works from: each refuses, before any work, a folder to write that holds what it needs."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from litert_pipeline.__main__ import app as litert_pipeline
from litert_pipeline.bundle import Bundle
from parity.__main__ import app as parity

APPS = {"parity": parity, "litert_pipeline": litert_pipeline}
# What is typed, with OUT for the folder to write and IN for one inside it that the command needs.
COMMANDS = {
    "gate, its bundle": ("parity", "gate", "--bundle", "IN", "--report", "OUT"),
    "gate, its model": ("parity", "gate", "--model", "IN", "--report", "OUT"),
    "judge, answers": ("parity", "judge", "--answers", "IN", "--report", "OUT"),
    "judge, a bundle": ("parity", "judge", "--answers", "elsewhere", "--bundle", "IN", "--report", "OUT"),
    "pack, a bundle": ("parity", "pack", "--bundle", "IN", "--out", "OUT"),
    "pack, its model": ("parity", "pack", "--model", "IN", "--bundle", "elsewhere", "--out", "OUT"),
    "quantize, its source": ("litert_pipeline", "quantize", "IN", "--recipe", "int8", "--out", "OUT"),
    "convert, its model": ("litert_pipeline", "convert", "--model", "IN", "--out", "OUT"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_command_needs_is_not_replaced(tmp_path: Path, name: str) -> None:
    app, *words = COMMANDS[name]
    out, needed = tmp_path / "out", tmp_path / "out" / "needed"
    needed.mkdir(parents=True)
    places = {"OUT": str(out), "IN": str(needed)}
    result = CliRunner().invoke(APPS[app], [*(places.get(word, word) for word in words), "--force"])
    assert (result.exit_code, f"{out}: holds {needed}, which is needed to write it" in result.stderr) == (2, True), result.stderr
    assert needed.is_dir()


def test_convert_does_not_replace_the_bundle_it_starts_from(bundles: dict[str, Bundle], tmp_path: Path) -> None:
    base = bundles["fp32"].folder
    arguments = ["convert", "--recipe", "plain", "--base", str(base), "--out", str(base.parent), "--force"]
    result = CliRunner().invoke(litert_pipeline, arguments)
    assert (result.exit_code, f"holds {base}, which is needed to write it" in result.stderr) == (2, True), result.stderr
    assert base.is_dir()
