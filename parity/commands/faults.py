"""The command that injects faults."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from fixtures import EMBEDDED_MODEL_DIR
from parity.commands.options import ModelDir, NoCache, print_peak, split_names, user_store, wide_console
from reference import command
from reference.progress import show_progress
from reference.spec.errors import EXIT_OK, EXIT_REFUSE
from reference.spec.files import check_file, new_file


def faults_command(
    model: ModelDir = EMBEDDED_MODEL_DIR,
    bundle: Annotated[list[Path] | None, typer.Option(help="Clean bundle; repeatable. Converted if left out.")] = None,
    arithmetics: Annotated[
        str | None, typer.Option(help="Arithmetics to inject at, comma-separated; all if left out.")
    ] = None,
    only: Annotated[str | None, typer.Option(help="Faults to inject, comma-separated; all if left out.")] = None,
    files: Annotated[bool, typer.Option(help="Also convert every wrong module for real.")] = True,
    beside: Annotated[
        Path | None, typer.Option(help="A second model dir: the page also says what is seen otherwise on it.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the table as Markdown.")] = None,
    no_cache: NoCache = False,
    force: command.Force = False,
) -> None:
    """Inject every fault of the catalogue and see whether the gate refuses and blames the right stage; 1 if it does not."""
    from parity.faults.beside import OnModel
    from parity.faults.run import FaultOptions, run_faults
    from parity.faults.table import page, show
    from reference.pipeline import read_outline

    console = wide_console()
    if out is not None:
        check_file(out, force, [model, *(bundle or []), *([beside] if beside is not None else [])])
    options = FaultOptions(
        model=model, bundles=bundle or [], arithmetics=split_names(arithmetics), only=split_names(only), files=files
    )
    more = [] if beside is None else [replace(options, model=beside, bundles=[])]
    if beside is not None:
        read_outline(beside)  # it is asked last: what is wrong with it is told before the half hour that the first takes
    store = user_store(no_cache)
    with new_file(out, force) if out is not None else nullcontext() as file, show_progress(console) as say:
        found = [OnModel(model=one.model.resolve().name, outcome=run_faults(one, store, say)) for one in (options, *more)]
        if file is not None:
            file.write_text(page(*found), encoding="utf-8")
    for one in found:
        show(one.outcome, console)
    if out is not None:
        console.print(f"wrote {out}", highlight=False, soft_wrap=True)
    print_peak(console)
    raise typer.Exit(EXIT_REFUSE if any(one.outcome.complaints() for one in found) else EXIT_OK)
