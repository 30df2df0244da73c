"""Long tables of what a test is asked for: `make test` takes a few rows of each kind, `make more` takes the others."""

from collections.abc import Collection, Iterable
from typing import TypeVar

import pytest
from _pytest.mark import ParameterSet

Row = TypeVar("Row")


def few(table: Iterable[Row], kept: Collection[Row]) -> list[Row | ParameterSet]:
    """The rows of a table, of which those that are not `kept` carry the marker `more`.

    Raises ValueError where something is kept that the table does not have: a row that was renamed is not lost silently.
    """
    rows = list(table)
    if strange := [row for row in kept if row not in rows]:
        raise ValueError(f"{strange} are to be kept, and are no rows of the table: {rows}")
    return [row if row in kept else pytest.param(row, marks=pytest.mark.more) for row in rows]
