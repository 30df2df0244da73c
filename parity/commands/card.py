"""Commands that bring a verdict to where people look: the page a model is published on, the files of a change."""

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
    from parity.report.embed import says_base_model, with_base_model

    if embed is not None:
        require_apart(embed, [report])
    card = _read(report / CARD, "expected a report folder that 'parity gate --report' wrote")
    if base_model is not None:
        card = with_base_model(card, base_model)
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

    require_content(readme)
    text = _read(readme, "expected the README of the repository; without --embed the card is printed")
    try:
        new = embedded(text, card)
    except InputError as error:
        raise InputError(f"{readme}: {error}") from None
    mode = readme.stat().st_mode
    with new_file(readme.resolve(), force=True) as file:
        file.write_bytes(new.encode())
    readme.chmod(mode)


def _read(path: Path, expected: str) -> str:
    """The text as it stands, whatever ends its lines."""
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        raise InputError(f"{path}: is no UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {expected}") from None
