"""Options and output that several commands share."""

import resource
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from reference.command_line import JSON_OPTION, print_json
from reference.progress import plain_console
from reference.spec.errors import InputError

if TYPE_CHECKING:
    from parity.report.report import Report
    from parity.truth.store import Store

ModelDir = Annotated[Path, typer.Option(help="Model dir; the embedded model if left out.")]
Draws = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Inputs drawn for each stage over all they may be, a third as many for a stage of whole sounds; 16 if left out, "
        "4 of a large model.",
    ),
]
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Make what the cache would hold, truths and conversions, again; keep nothing.")
]
AsJson = Annotated[
    bool,
    typer.Option(JSON_OPTION, help="Print JSON, for programs: what is found, or an 'error'; all else goes to standard error."),
]


def wide_console(*, stderr: bool = False) -> Console:
    """A terminal's own width; room for the tables in a file."""
    return plain_console(width=None if plain_console(stderr=stderr).is_terminal else 170, stderr=stderr)


def show_report(report: "Report", console: Console, *, as_json: bool) -> None:
    """The verdict for a person, or all of `report.json` for a program."""
    from parity.report.as_json import to_json
    from parity.report.terminal import show

    if as_json:
        print_json(to_json(report))
    else:
        show(report, console)


def user_store(no_cache: bool) -> "Store":
    """Where this user's truths are kept."""
    from parity.truth.store import Store

    return Store() if no_cache else Store.of_user()


def print_peak(console: Console) -> None:
    """The memory of the largest process so far: this one, or one it waited for."""
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    console.print(f"largest process: {peak / 2**20:.2f} GiB resident", highlight=False)


def split_names(text: str | None) -> list[str] | None:
    """Names, comma-separated; None if the option was left out. Raises InputError where one is empty."""
    names = None if text is None else [name.strip() for name in text.split(",")]
    if names is not None and "" in names:
        raise InputError(f"'{text}' lacks a name; expected names, comma-separated, or the option left out")
    return names
