"""`-k STAGE` and `-k int8` select what they say."""

import subprocess
import sys

import pytest

from parity.commands.selection import spelled_out

# word: (a part of an id that must be selected, one that must not)
SELECTIONS = {
    "dit": ("dit", "conditioner"),
    "conditioner": ("conditioner", "dit"),
    "decoder": ("decoder", "dit"),
    "int8": ("litert_int8", "litert_fp32"),
}


@pytest.mark.parametrize(("expression", "expected"), [
    ("dit", "(dit and not conditioner)"),
    ("not dit", "not (dit and not conditioner)"),
    ("dit or conditioner", "(dit and not conditioner) or conditioner"),
    ("conditioner", "conditioner"),
    ("decoder", "(decoder and (stage_is_decoder or not int8_decoder))"),
    ("int8_decoder", "int8_decoder"),
    ("", ""),
])  # fmt: skip
def test_only_the_bare_word_is_spelled_out(expression: str, expected: str) -> None:
    assert spelled_out(expression) == expected


@pytest.mark.parametrize("word", SELECTIONS)
def test_selects_what_it_says(word: str) -> None:
    command = [sys.executable, "-m", "pytest", "parity/test_parity.py", "-k", word, "--collect-only", "-q"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    parts = {part for line in listed if line.endswith("]") for part in line[:-1].split("[")[1].split("-")}
    wanted, unwanted = SELECTIONS[word]
    assert wanted in parts
    assert unwanted not in parts
