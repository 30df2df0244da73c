"""What a long command is doing, and for how long."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

Say = Callable[[str], None]


@contextmanager
def show_progress(console: Console) -> Iterator[Say]:
    """A function that prints what begins now, after the seconds since the start. On a terminal a clock runs beside it."""
    start_s = time.monotonic()
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as progress:
        task = progress.add_task("starting")

        def say(text: str) -> None:
            elapsed = f"{time.monotonic() - start_s:6.0f} s  "
            progress.console.print(f"{elapsed}{text}", highlight=False, markup=False, soft_wrap=True)
            progress.reset(task, description=text)

        yield say
