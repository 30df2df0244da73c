"""Rows of a long table that `make test` leaves to `make more`."""

import pytest

from parity.meta_tests.more import few

TABLE = {"first": 1, "second": 2, "third": 3}


def test_the_others_are_marked() -> None:
    rows = few(TABLE, {"second"})
    assert [row for row in rows if isinstance(row, str)] == ["second"]
    assert [row.values for row in rows if not isinstance(row, str)] == [("first",), ("third",)]
    assert all(mark.name == "more" for row in rows if not isinstance(row, str) for mark in row.marks)


def test_a_row_that_was_renamed_is_not_lost_silently() -> None:
    with pytest.raises(ValueError, match=r"'fourth'.* no rows of the table"):
        few(TABLE, {"second", "fourth"})
