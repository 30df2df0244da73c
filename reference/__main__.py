"""`python -m reference`: generate audio with the PyTorch reference, or code it."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from fixtures import EMBEDDED_MODEL_DIR
from reference import codec_command, command
from reference.command_line import command_line, takes_options
from reference.progress import plain_console, print_line, show_steps
from reference.spec.model import WHOLE


@takes_options(command.GenerateOptions)
def generate_command(
    options: command.GenerateOptions,
    model: Annotated[Path, typer.Option(help="Model dir; the embedded model if left out.")] = EMBEDDED_MODEL_DIR,
) -> None:
    """Generate audio from a prompt, in float32 on the CPU."""
    job = options.checked([model])
    # Imported here so that a mistyped option is an error at once, not after torch has loaded.
    from reference.pipeline import load_model

    with show_steps(command.OPENING, plain_console()):
        loaded = load_model(model)
    if loaded.spec.coding != WHOLE:
        print_line(f"decoding {loaded.spec.coding}, as the config says")
    job.run(lambda: nullcontext(loaded.pipeline()))


app = command_line(
    about="The PyTorch reference of Stable Audio.",
    at_fault="the reference",
    commands={"generate": generate_command},
)
app.add_typer(codec_command.app, name="codec")

if __name__ == "__main__":
    app(prog_name="python -m reference")
