"""A command line whose commands end with an exit code that means what it says, whatever happens inside them."""

import inspect
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from functools import wraps
from io import TextIOWrapper
from pathlib import Path
from typing import Any, get_type_hints

import typer
from typer.core import TyperGroup

from reference.spec.errors import EXIT_NOT_JUDGED, TRACEBACK, InputError, Left, exit_with_one_line
from reference.spec.privacy import forbid_telemetry

AS_JSON = "as_json"  # parameter of commands that print JSON for programs


def command_line(*, about: str, at_fault: str, commands: Mapping[str, Callable[..., None]]) -> typer.Typer:
    """An app with these commands by their names; `at_fault` is what is at fault where an exception was not foreseen.

    A shell can complete what has a name of its own, a console script; `python -m` is Python's.
    """
    app = typer.Typer(cls=_Commands, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=not _run_as_module())
    with_help = f"{about}\n\nWith {TRACEBACK}=1 in the environment an error nobody foresaw shows where it happened."
    app.callback(help=with_help)(_no_options)
    for name, command in commands.items():
        app.command(name)(_with_exit_code(command, at_fault))
    return app


class _Commands(TyperGroup):
    """Ends with 2 where nobody reads the help any more: with 1, as the library would have it, something is refused."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        try:
            return super().main(*arguments, **options)
        except SystemExit as left:
            if isinstance(left.__context__, BrokenPipeError):
                raise SystemExit(EXIT_NOT_JUDGED) from None
            raise


def _run_as_module() -> bool:
    """Whether this process was started with `python -m`."""
    return Path(sys.argv[0]).name in ("__main__.py", "-m")


def _no_options() -> None:
    """An app with one command and no callback would take the command's name for an argument."""


def _with_exit_code(command: Callable[..., None], at_fault: str) -> Callable[..., None]:
    """The command; only the exit code it chooses by itself passes."""

    @wraps(command)
    def run(**options: object) -> None:
        forbid_telemetry()
        _print_anything()
        try:
            with exit_with_one_line(at_fault, passing=(typer.Exit,)):
                _require_a_place()
                command(**options)
        except Left as left:
            if options.get(AS_JSON):  # a program reads it where it reads what is found
                print(json.dumps({"error": left.line.removeprefix("error: ")}))
            raise

    return run


def _require_a_place() -> None:
    """Raise InputError where the folder one is in was deleted: libraries die of it in words of their own."""
    try:
        Path.cwd()
    except FileNotFoundError:
        raise InputError("the folder you are in was deleted; cd to one that is there, and try again") from None


def _print_anything() -> None:
    """A character that the terminal has not, or half of one in a path, is written by its number."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def takes_options(kind: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command, whose first parameter is one of a dataclass `kind`, its fields as options of the command line."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = list(inspect.signature(command).parameters.values())[1:]
        shared = {field.name: field for field in fields(kind)}
        hints = {**get_type_hints(kind, include_extras=True), **get_type_hints(command, include_extras=True)}

        @wraps(command)
        def wrapper(**given: Any) -> None:
            command(kind(**{name: given.pop(name) for name in shared}), **given)

        parameters = [
            *(_parameter(name, hints[name], field.default) for name, field in shared.items()),
            *(_parameter(parameter.name, hints[parameter.name], parameter.default) for parameter in own),
        ]
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return wrapper

    return decorate


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    empty = inspect.Parameter.empty
    given = empty if default is MISSING else default
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=given, annotation=annotation)
