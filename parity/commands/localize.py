"""The command that looks inside a stage."""

from pathlib import Path
from typing import Annotated

import typer

from fixtures import EMBEDDED_MODEL_DIR
from parity.commands.options import ModelDir, NoCache, print_peak, user_store, wide_console
from reference import command
from reference.progress import show_progress, show_table
from reference.spec.errors import EXIT_OK, EXIT_REFUSE
from reference.spec.stages import STAGE_TABLE


def localize_command(
    bundle: Annotated[Path, typer.Option(help="Bundle to look into.")],
    stage: Annotated[str, typer.Option(help=f"{', '.join(STAGE_TABLE)}.")],
    model: ModelDir = EMBEDDED_MODEL_DIR,
    case: Annotated[
        str | None, typer.Option(help="Case whose inputs the stage is fed; drums if left out or, of a codec, music.")
    ] = None,
    step: Annotated[int, typer.Option(help="Sampler step, for the DiT.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for Model Explorer overlays.")] = None,
    no_cache: NoCache = False,
    force: command.Force = False,
) -> None:
    """Compare every module inside one stage with the reference; 1 if any adds more error than it may."""
    from parity.explain.inside.blocks import block_table
    from parity.explain.inside.module_error import first_fault
    from parity.explain.inside.search import InsideOptions, look_inside

    console = wide_console()
    options = InsideOptions(model=model, bundle=bundle, stage=stage, case=case, step=step, out=out, force=force)
    with show_progress(console) as say:
        errors = look_inside(options, user_store(no_cache), say)
    show_table(console, block_table(errors, f"{stage} of {bundle}" + (f", case {case}" if case else "")))
    fault = first_fault(errors)
    console.print("no module is at fault" if fault is None else f"first fault: {fault.path}", highlight=False, soft_wrap=True)
    print_peak(console)
    raise typer.Exit(EXIT_OK if fault is None else EXIT_REFUSE)
