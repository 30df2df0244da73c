"""A command line whose commands end with an exit code that means what it says, whatever happens inside them."""

import inspect
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import MISSING, fields
from functools import wraps
from io import TextIOBase, TextIOWrapper
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from reference.spec.errors import EXIT_NOT_JUDGED, TRACEBACK, InputError, Left, exit_with_one_line
from reference.spec.paths import EMPTY_PATH
from reference.spec.privacy import forbid_telemetry
from reference.spec.whole_output import whole_output

AS_JSON, JSON_OPTION = "as_json", "--json"  # of commands that print JSON for programs: parameter, and how it is given
ERROR = "error"  # its key of what went wrong


def command_line(*, about: str, at_fault: str, commands: Mapping[str, Callable[..., None]]) -> typer.Typer:
    """An app with these commands by their names; `at_fault` is what is at fault where an exception was not foreseen.

    A shell can complete what has a name of its own, a console script; `python -m` is Python's.
    """
    app = typer.Typer(cls=_Commands, no_args_is_help=True, pretty_exceptions_enable=False, add_completion=not _run_as_module())
    with_help = f"{about}\n\nWith {TRACEBACK}=1 in the environment an error nobody foresaw shows where it happened."
    app.callback(help=with_help)(_no_options)
    for name, command in commands.items():
        app.command(name, cls=_Command)(_with_exit_code(command, at_fault))
    return app


_USAGE_ERROR = typer.BadParameter.__mro__[1]  # of all that the parser refuses: the library keeps it where it likes


class _Command(TyperCommand):
    """Refuses an empty path, as scripts pass of a variable that is not set: it would be taken for the folder one is in."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given, _, order = self.make_parser(ctx).parse_args(list(args))
        kinds, parameters = get_type_hints(self.callback), cast(list[Any], order)
        for parameter in parameters:
            values = given.get(parameter.name)
            if "" in (values if isinstance(values, list | tuple) else [values]) and _holds_path(kinds[parameter.name]):
                raise typer.BadParameter(EMPTY_PATH, ctx, parameter)
        return super().parse_args(ctx, args)


def _holds_path(kind: Any) -> bool:
    return kind is Path or any(map(_holds_path, get_args(kind)))


class _Commands(TyperGroup):
    """Ends with 2 where nobody reads the help any more: with 1, as the library would have it, something is refused. What its
    parser refuses is told to programs, too."""

    def main(self, args: Sequence[str] | None = None, *arguments: Any, **options: Any) -> Any:
        with whole_output():
            return self._ended(args, *arguments, **options)

    def _ended(self, args: Sequence[str] | None, *arguments: Any, **options: Any) -> Any:
        try:
            return super().main(args, *arguments, **options)
        except SystemExit as left:
            if isinstance(left.__context__, BrokenPipeError):
                raise SystemExit(EXIT_NOT_JUDGED) from None
            if isinstance(left.__context__, _USAGE_ERROR) and _asks_for_json(sys.argv[1:] if args is None else args):
                with exit_with_one_line():  # where nobody reads that either
                    _print_json({ERROR: cast(typer.BadParameter, left.__context__).format_message()})
            raise


def _asks_for_json(arguments: Sequence[str]) -> bool:
    """Whether a command line that could not be read has the option; behind `--` nothing is one."""
    read = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return any(word.partition("=")[0] == JSON_OPTION for word in read)


class _ForPrograms(TextIOBase):
    """Standard output of a command that is to print JSON alone: holds what it has found until it ends. What anything else prints
    goes to standard error."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, Any] = {}

    def write(self, text: str) -> int:
        return sys.stderr.write(text)


@contextmanager
def _json_alone() -> Iterator[None]:
    """One document, whatever happens: what was found, an `error`, or both where the error came after it."""
    held, why = _ForPrograms(), {}
    try:
        with redirect_stdout(held):
            yield
    except Left as left:
        why[ERROR] = left.line.removeprefix("error: ")
        raise
    finally:
        _print_json(held.found | why)


def print_json(content: Mapping[str, Any]) -> None:
    """What programs read, which holds nothing else: a number that is none has to be a string by then. Raises ValueError."""
    json.dumps(content, allow_nan=False)
    if isinstance(sys.stdout, _ForPrograms):
        sys.stdout.found |= content
    else:
        _print_json(content)


def _print_json(content: Mapping[str, Any]) -> None:
    print(json.dumps(content, indent=2), flush=True)


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
        for_programs = _json_alone() if options.get(AS_JSON) else nullcontext()
        with for_programs, exit_with_one_line(at_fault, passing=(typer.Exit,)):
            _require_a_place()
            command(**options)

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
        hints = get_type_hints(kind, include_extras=True)

        @wraps(command)
        def wrapper(**given: Any) -> None:
            command(kind(**{name: given.pop(name) for name in shared}), **given)

        parameters = [
            *(_parameter(name, hints[name], field.default) for name, field in shared.items()),
            *(_parameter(parameter.name, parameter.annotation, parameter.default) for parameter in own),
        ]
        wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return wrapper

    return decorate


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    empty = inspect.Parameter.empty
    given = empty if default is MISSING else default
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=given, annotation=annotation)
