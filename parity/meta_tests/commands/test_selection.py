"""`-k STAGE` is spelled out; what pytest then selects, `test_collection.py` says."""

import pytest

from parity.commands.selection import spelled_out


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
