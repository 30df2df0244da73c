"""Commands about figures that are recorded and reviewed: the room of limits, the goldens."""

from pathlib import Path
from typing import Annotated

import typer

from fixtures import EMBEDDED_MODEL_DIR
from parity.commands.options import ModelDir, wide_console
from reference import command
from reference.progress import show_progress, show_table, tell
from reference.spec.errors import EXIT_OK, EXIT_REFUSE
from reference.spec.files import check_file


def headroom_command(
    report: Annotated[Path, typer.Argument(help="A report folder, or its report.json.")],
    record: Annotated[Path | None, typer.Option(help="Also write the ledger of limits to this file.")] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Also hold it to have the limits that the ledger has of its variants, and no others.")
    ] = False,
    force: command.Force = False,
) -> None:
    """Print every limit with what a gate run measured, and the room between the two.

    1 if a variant's worst room is outside the band and the ledger does not say why; the band is meant for the tiny model.
    `make headroom` holds the last `make gate` to it.
    """
    from parity.report import ledger
    from parity.report.headroom import headroom_table, headrooms, read_report, worst

    console = wide_console()
    if record is not None:
        check_file(record, force, [report])
    content = read_report(report)
    found = headrooms(content["checks"])
    if record is not None:
        ledger.record(content, record, force)
    known = ledger.read_ledger(record or ledger.LEDGER)
    show_table(console, headroom_table(found))
    for row in worst(found).values():
        console.print(f"{row.variant}: least room {row.room:.2g}x, {row.budget}", highlight=False, soft_wrap=True)
    complaints = [wrong for row in worst(found).values() if (wrong := ledger.complaint(row, known.outside))]
    complaints += ledger.differences(found, known) if whole else []
    for wrong in complaints:
        tell(console, "red", "differs", wrong)
    if record is not None:
        console.print(f"wrote {record}", highlight=False, soft_wrap=True)
    raise typer.Exit(EXIT_REFUSE if complaints else EXIT_OK)


def goldens_command(
    out: Annotated[Path, typer.Option(help="Folder to write: the arrays and an index.json.")],
    model: ModelDir = EMBEDDED_MODEL_DIR,
    force: command.Force = False,
) -> None:
    """Record the truth's numbers of a few cases, for a later version to be compared with."""
    from parity.truth.goldens import record

    console = wide_console()
    with show_progress(console) as say:
        say("computing the truth of what is recorded")
        count = record(model, out, force)
    console.print(f"wrote {out} ({count} arrays)", highlight=False, soft_wrap=True)
