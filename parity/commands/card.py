"""Commands that bring a verdict to where people look: the page a model is published on, the files of a change."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from parity.commands.options import wide_console
from reference.progress import tell
from reference.spec.apart import require_apart
from reference.spec.errors import InputError
from reference.spec.files import new_file, require_content

CARD = "parity-card.md"


def card_command(
    report: Annotated[Path, typer.Argument(help="A report folder that the gate wrote.")],
    embed: Annotated[
        Path | None,
        typer.Option(
            help="README of the repository the model is published in: the card goes into a marked block of it, replacing the one "
            "before, and its metrics into the front matter. Nothing else in it changes. Without this the card is printed."
        ),
    ] = None,
    base_model: Annotated[
        str | None,
        typer.Option(
            help="The original's id on the hub, such as stabilityai/stable-audio-open-small; known where it was the gate's model."
        ),
    ] = None,
) -> None:
    """Print the card of a report, or put it into the README of the repository that the model is published in."""
    from parity.report.embed import require_card, says_base_model, with_base_model

    path = report / CARD
    if base_model is not None:
        _require_id(base_model)
    if embed is not None:
        _require_readme(embed, path)
        require_apart(embed, [report])
    card = _read(path, "expected a report folder that 'parity gate --report' wrote")
    with _about(path):
        require_card(card)
        card = card if base_model is None else with_base_model(card, base_model)
    if embed is None:
        print(card, end="")
        return
    _embed(embed, card)
    console = wide_console()
    console.print(f"wrote {embed}", highlight=False, soft_wrap=True)
    if not says_base_model(card):
        tell(console, "yellow", "note", "the card names no original; give --base-model for the hub to list it under that")


def annotations_command(
    report: Annotated[Path, typer.Argument(help="A report folder that the gate wrote, or its report.json.")],
) -> None:
    """Print the files at fault as workflow commands, which GitHub shows at these files; nothing where all may be published."""
    from parity.report.annotations import annotations

    for line in annotations(report):
        print(line)


def _embed(readme: Path, card: str) -> None:
    from parity.report.embed import embedded

    if readme.exists():
        require_content(readme)
    text = _read(readme, "expected the README of the repository; without --embed the card is printed")
    with _about(readme):
        new = embedded(text, card)
    mode = readme.stat().st_mode
    with new_file(readme.resolve(), force=True) as file:
        file.write_bytes(new.encode())
    readme.chmod(mode)


def _require_id(base_model: str) -> None:
    """Raise InputError for what the hub does not take for the id of a model."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(base_model)
        fine = "/" in base_model
    except HFValidationError:
        fine = False
    if not fine:
        example = "stabilityai/stable-audio-open-small"
        raise InputError(f"--base-model is '{base_model}', expected an id on the hub, such as {example}")


def _require_readme(readme: Path, card: Path) -> None:
    """Raise InputError where the card would go into a card, this one or another report's."""
    same = readme.exists() and card.exists() and readme.samefile(card)
    if same or readme.resolve().name == CARD:
        raise InputError(f"{readme}: is a card itself; expected the README of the repository that the model is published in")


@contextmanager
def _about(path: Path) -> Iterator[None]:
    """What is wrong with a text names its file."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _read(path: Path, expected: str) -> str:
    """The text as it stands, whatever ends its lines."""
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        raise InputError(f"{path}: is no UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {expected}") from None
