"""What a long command is doing, and for how long."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from rich.cells import cell_len
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table
from rich.text import Text

from reference.spec.errors import one_line

Say = Callable[[str], None]
Steps = Callable[[int, int], None]  # how many of how many are done
Item = TypeVar("Item")


class _Plain(Console):
    """A console on which every text stays on its line: what ends a line or steers a terminal is written out. Names of files may
    hold either, and a line that begins with what a path says is a command to who reads the log of a workflow."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Rich asks for this of every text it is given, cells and titles of tables among them; of a `Text` it does not."""
        return super().render_str(one_line(text), **options)


def plain_console(width: int | None = None, *, stderr: bool = False) -> Console:
    """A console that prints what it is given: paths and names of tensors are data, whatever brackets or colons they have."""
    return _Plain(width=width, stderr=stderr, markup=False, emoji=False)


def print_line(text: str) -> None:
    """One line without colours, such as of what was written; its paths are data."""
    print(one_line(text))


def print_lines(console: Console, text: str) -> None:
    """A text of ours that has lines, each whole, however long."""
    for line in text.split("\n"):
        console.print(line, highlight=False, soft_wrap=True)


def coloured(word: str, style: str) -> Text:
    """A word of our own in a colour."""
    return Text(word, style=style)


def tell(console: Console, style: str, word: str, sentence: str, between: str = " ") -> None:
    """One sentence, however long, begun by a word of our own in a colour."""
    console.print(coloured(word, style), sentence, sep=between, soft_wrap=True, highlight=False)


def show_table(console: Console, table: Table) -> None:
    """A table in which no number and no name is cut: text is folded between words, and where even that is too wide for the
    terminal, lines are longer."""
    for column in table.columns:
        texts = [one_line(str(cell)) for cell in (column.header, *column.cells)]
        parts = texts if column.justify == "right" else [word for text in texts for word in text.split()]
        column.min_width = max(map(cell_len, parts), default=0)
    console.print(table, soft_wrap=True)


def numbered(items: Iterable[Item]) -> Iterator[tuple[str, Item]]:
    """Each with its place among all, in words: whoever waits is told what is left."""
    listed = list(items)
    return ((f"{place} of {len(listed)}", item) for place, item in enumerate(listed, 1))


@contextmanager
def show_steps(doing: str, console: Console) -> Iterator[Steps]:
    """A function that moves a bar, with the time that is left; on a terminal alone, and gone when all is done."""
    columns = (
        SpinnerColumn(), _doing(), BarColumn(), MofNCompleteColumn(table_column=_whole()),
        TimeRemainingColumn(table_column=_whole()),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(doing, total=None)
        yield lambda done, of: progress.update(task, completed=done, total=of)


@contextmanager
def show_progress(console: Console) -> Iterator[Say]:
    """A function that prints what begins now, after the seconds since the start. On a terminal a clock runs beside it."""
    start_s = time.monotonic()
    columns = (SpinnerColumn(), _doing(), TimeElapsedColumn(table_column=_whole()))
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as progress:
        task = progress.add_task("starting")

        def say(text: str) -> None:
            elapsed = f"{time.monotonic() - start_s:6.0f} s  "
            progress.console.print(f"{elapsed}{text}", highlight=False, markup=False, soft_wrap=True)
            progress.reset(task, description=one_line(text))

        yield say


def _doing() -> TextColumn:
    """What is being done, over as many lines as it takes: of a path the end matters as much as the beginning."""
    return TextColumn("{task.description}", markup=False, table_column=Column(overflow="fold"))


def _whole() -> Column:
    """Numbers are never cut: what is beside them has the fewer columns."""
    return Column(no_wrap=True)
