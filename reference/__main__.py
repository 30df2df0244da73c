"""`python -m reference`: generate audio with the PyTorch reference."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from fixtures import TINY_MODEL_DIR
from reference import command
from reference.spec.errors import exit_with_one_line
from reference.spec.model import WHOLE

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


@app.callback()
def main() -> None:
    """The PyTorch reference of Stable Audio."""


@app.command("generate")
@command.takes_generate_options
def generate_command(
    options: command.GenerateOptions,
    model: Annotated[Path, typer.Option(help="Model dir; the embedded tiny model if left out.")] = TINY_MODEL_DIR,
) -> None:
    """Generate audio from a prompt, in float32 on the CPU."""
    with exit_with_one_line():
        job = options.checked()
        # Imported here so that a mistyped option is told at once, not after torch has loaded.
        from reference.pipeline import load_model

        loaded = load_model(model)
        if loaded.spec.coding != WHOLE:
            typer.echo(f"decoding {loaded.spec.coding}, as the config says")
        job.run(lambda: nullcontext(loaded.pipeline()))


if __name__ == "__main__":
    app(prog_name="python -m reference")
