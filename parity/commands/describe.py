"""The command that finds out how the files of a bundle made elsewhere are fed."""

import json
from pathlib import Path
from typing import Annotated

import typer

from fixtures import EMBEDDED_MODEL_DIR
from parity.commands.options import ModelDir, wide_console
from reference.command import Force
from reference.progress import show_progress
from reference.spec.errors import InputError
from reference.spec.files import check_file, new_file


def describe_command(
    bundle: Annotated[Path, typer.Option(help="Folder of files that somebody else converted, without a manifest.")],
    out: Annotated[Path, typer.Option(help="JSON file to write, for 'python -m litert_pipeline generate --described'.")],
    model: ModelDir = EMBEDDED_MODEL_DIR,
    force: Force = False,
) -> None:
    """Write down which file is which stage of the model, and which tensor what; 'generate' then runs the folder without torch."""
    from litert_pipeline.described import described
    from parity.bundles.given import given_bundles

    console = wide_console()
    check_file(out, force, [bundle, model])
    with new_file(out, force) as file, show_progress(console) as say:
        say(f"finding out how the files of {bundle} are fed")
        found, *_ = given_bundles([bundle], model)  # of a codec, one for each precision
        if found.manifest.source is not None:
            raise InputError(f"{bundle}: has a manifest, which 'generate' reads by itself; nothing has to be described")
        if found.manifest.codec is not None:
            raise InputError(f"{bundle}: is a codec's, which generates nothing; give the folder of a model that does")
        file.write_text(json.dumps(described(found.manifest), indent=1), encoding="utf-8")
    for stage, entry in found.manifest.stages.items():
        fed = "" if entry.binding is None else ", ".join(f"{one.ours.name} as {one.theirs.name}" for one in entry.binding.inputs)
        console.print(f"{stage}: {entry.file}; takes {fed}", highlight=False, soft_wrap=True, markup=False)
    console.print(f"wrote {out}", highlight=False, soft_wrap=True, markup=False)
