"""JSON nested without end is told, whatever the process would bear; all else is read as ever."""

import json
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference.spec.plain_json import MOST_DEEP, parse

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)
DEEP = {"lists": "[", "objects": '{"a":', "both": '[{"a":'}
AS_CONVERTERS_SET_IT = 100_000


@pytest.fixture
def deeper_than_the_stack() -> Iterator[None]:
    """The limit that a converter leaves behind where it was imported."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(AS_CONVERTERS_SET_IT)
    yield
    sys.setrecursionlimit(before)


@given(VALUES)
def test_it_is_read_as_json_reads_it(value: object) -> None:
    text = json.dumps(value)
    assert parse(text) == json.loads(text)


@pytest.mark.parametrize("text", ['"' + "[" * 200 + '"', '["' + '\\"[' * 200 + '"]', "{}"], ids=["brackets", "quotes", "none"])
def test_signs_inside_strings_are_no_nesting(text: str) -> None:
    assert parse(text) == json.loads(text)


def test_as_deep_as_allowed_is_read() -> None:
    assert parse("[" * MOST_DEEP + "]" * MOST_DEEP) is not None


@pytest.mark.usefixtures("deeper_than_the_stack")
@pytest.mark.parametrize("kind", sorted(DEEP))
def test_values_within_values_without_end_are_told(kind: str) -> None:
    with pytest.raises(ValueError, match="values within values, more than 100 deep"):
        parse(DEEP[kind] * 10**6)


@pytest.mark.parametrize("text", ["", "[", '{"a"', "nul", '"unfinished'])
def test_what_is_no_json_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        parse(text)
