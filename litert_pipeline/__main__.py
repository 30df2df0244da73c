"""`python -m litert_pipeline`: convert, quantize, generate, code audio."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from fixtures import EMBEDDED_MODEL_DIR
from litert_pipeline import codec_command
from litert_pipeline.build.installed import require_installed
from litert_pipeline.build.recipes import CODEC_RECIPES, RECIPES
from litert_pipeline.extras import naming_missing
from reference import command
from reference.command_line import command_line, takes_options
from reference.progress import plain_console, print_line, show_progress
from reference.spec.errors import InputError
from reference.spec.files import check_folder

CONVERSIONS = [name for name, recipe in (RECIPES | CODEC_RECIPES).items() if not recipe.quantize]
QUANTIZATIONS = [name for name, recipe in RECIPES.items() if recipe.quantize]
SOURCES = "; ".join(
    f"{source} for {', '.join(name for name in QUANTIZATIONS if RECIPES[name].source == source)}"
    for source in dict.fromkeys(RECIPES[name].source for name in QUANTIZATIONS)
)
AT_FAULT = "the LiteRT pipeline"
OutBundle = Annotated[Path, typer.Option(help="Bundle folder to write.")]


def convert_command(
    out: OutBundle,
    model: Annotated[Path, typer.Option(help="Model dir; the embedded model if left out.")] = EMBEDDED_MODEL_DIR,
    recipe: Annotated[str, typer.Option(help=f"{', '.join(CONVERSIONS)}.")] = "fp32",
    base: Annotated[
        Path | None, typer.Option(help="fp32 bundle to take the stages from that the recipe does not convert in its own way.")
    ] = None,
    force: command.Force = False,
) -> None:
    """Convert a model dir to a bundle of LiteRT, ONNX or MLX models."""
    from litert_pipeline.build.convert import convert
    from litert_pipeline.build.recipes import conversion_recipe
    from litert_pipeline.bundle import read_bundle

    check_folder(out, "bundle", force, [model, base])
    chosen, taken = conversion_recipe(recipe), None if base is None else read_bundle(base)
    require_installed([chosen])
    with show_progress(plain_console()) as say:
        convert(model, out, chosen, base=taken, force=force, say=say)
    print_line(f"wrote {out}")


def quantize_command(
    bundle: Annotated[Path, typer.Argument(help=f"Unquantized bundle to start from, such as {SOURCES}.")],
    recipe: Annotated[str, typer.Option(help=f"{', '.join(QUANTIZATIONS)}, or a .json file with rules per stage.")],
    out: OutBundle,
    stage: Annotated[
        str | None,
        typer.Option(help="The stage a .json file is for that holds the official quantizer's list of rules and nothing else."),
    ] = None,
    force: command.Force = False,
) -> None:
    """Quantize a bundle."""
    from litert_pipeline.build.quantize import quantize
    from litert_pipeline.build.recipes import quantization_recipe

    chosen = quantization_recipe(recipe, stage)
    require_installed([chosen])
    with show_progress(plain_console()) as say:
        quantize(bundle, out, chosen, force=force, say=say)
    print_line(f"wrote {out}")


@takes_options(command.GenerateOptions)
def generate_command(
    options: command.GenerateOptions,
    bundle: Annotated[Path, typer.Option(help="LiteRT bundle to run.")],
    described: Annotated[
        Path | None, typer.Option(help="What 'python -m parity describe' wrote of a --bundle that somebody else converted.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, max=command.MOST_THREADS, help="CPU threads.")] = 1,
    runtime: Annotated[
        str,
        typer.Option(
            help="compiled: LiteRT's CompiledModel, or interpreter: its classic Interpreter, for CPUs of Armv8.0; it computes in "
            "float32 what a bundle asks to be computed in FP16."
        ),
    ] = "compiled",
) -> None:
    """Generate audio from a prompt with a bundle; needs numpy and LiteRT, not torch."""
    job = options.checked([bundle, described])
    from litert_pipeline.bundle import read_bundle
    from litert_pipeline.described import described_bundle
    from litert_pipeline.run.arm_cpu import require_atomics
    from litert_pipeline.run.pipeline import CLASSIC, RUNTIMES, open_pipeline
    from litert_pipeline.run.supervised import supervised

    if runtime not in RUNTIMES:
        raise InputError(f"runtime '{runtime}' is unknown; valid runtimes: {', '.join(RUNTIMES)}")
    if runtime != CLASSIC:
        require_atomics()
    opened = read_bundle(bundle) if described is None else described_bundle(bundle, described)
    init_audio = options.init_audio is not None

    def work() -> None:
        job.run(lambda: open_pipeline(opened, threads=threads, init_audio=init_audio, runtime=runtime))

    code = supervised(naming_missing(work), f"generating with {bundle}", AT_FAULT)
    if code:
        raise typer.Exit(code)


COMMANDS: Mapping[str, Callable[..., None]] = {
    "convert": convert_command, "quantize": quantize_command, "generate": generate_command,
}
app = command_line(
    about="Convert, quantize and run Stable Audio with LiteRT.",
    at_fault=AT_FAULT,
    commands={name: naming_missing(command) for name, command in COMMANDS.items()},
)
app.add_typer(codec_command.app, name="codec")

if __name__ == "__main__":
    app(prog_name="python -m litert_pipeline")
