"""A command line whose commands end with an exit code that means what it says, whatever happens inside them."""

from collections.abc import Callable, Mapping
from functools import wraps

import typer

from reference.spec.errors import TRACEBACK, exit_with_one_line


def command_line(*, about: str, at_fault: str, commands: Mapping[str, Callable[..., None]]) -> typer.Typer:
    """An app with these commands by their names; `at_fault` is what is at fault where an exception was not foreseen."""
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
    with_help = f"{about}\n\nWith {TRACEBACK}=1 in the environment an error nobody foresaw shows where it happened."
    app.callback(help=with_help)(_no_options)
    for name, command in commands.items():
        app.command(name)(_with_exit_code(command, at_fault))
    return app


def _no_options() -> None:
    """An app with one command and no callback would take the command's name for an argument."""


def _with_exit_code(command: Callable[..., None], at_fault: str) -> Callable[..., None]:
    """The command; only the exit code it chooses by itself passes."""

    @wraps(command)
    def run(**options: object) -> None:
        with exit_with_one_line(at_fault, passing=(typer.Exit,)):
            command(**options)

    return run
