"""`python -m parity`: judge converted models."""

import resource
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from fixtures import TINY_MODEL_DIR
from parity.commands.elsewhere import ModelDir, NoCache, contract_command, user_store, verify_wav_command, wide_console
from parity.commands.latency import bench_report_command, headline_command
from reference import command
from reference.progress import told
from reference.spec.errors import EXIT_OK, EXIT_REFUSE, told_in_one_line
from reference.spec.files import new_file
from reference.spec.stages import ALL_STAGES

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


@app.callback()
def main() -> None:
    """Is the converted model still the same model?"""


@app.command("gate")
def gate_command(
    model: ModelDir = TINY_MODEL_DIR,
    bundle: Annotated[
        list[Path] | None,
        typer.Option(
            help="Bundle to judge, or a folder of anybody's .tflite or .onnx files; repeatable. "
            "Without it the gate converts the model itself."
        ),
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Folder for the page, report.json, junit.xml, parity-card.md.")] = None,
    variants: Annotated[str | None, typer.Option(help="Variants to judge, comma-separated; all if left out.")] = None,
    cases: Annotated[str | None, typer.Option(help="Cases to judge, comma-separated; all if left out.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of every runtime.")] = 1,
    require_license: Annotated[
        bool, typer.Option("--require-license", help="Refuse bundles without licence, notice and attribution.")
    ] = False,
    no_cache: NoCache = False,
    force: command.Force = False,
) -> None:
    """Say PUBLISH (exit code 0) or REFUSE (1) and why; 2 means the input could not be judged."""
    console = wide_console()
    with told_in_one_line():
        from parity.gate import GateOptions, run_gate

        options = GateOptions(
            model=model, bundles=bundle or [], report=report, variants=_names(variants), cases=_names(cases),
            threads=threads, force=force, require_license=require_license,
        )  # fmt: skip
        with told(console) as say:
            outcome = run_gate(options, user_store(no_cache), say)
    outcome.show(console)
    if report is not None:
        names = ("report.html", "report.json", "junit.xml", "parity-card.md")
        console.print(f"wrote {', '.join(str(report / name) for name in names)}", highlight=False, soft_wrap=True)
    _print_peak(console)
    raise typer.Exit(EXIT_OK if outcome.publish else EXIT_REFUSE)


@app.command("localize")
def localize_command(
    bundle: Annotated[Path, typer.Option(help="Bundle to look into.")],
    stage: Annotated[str, typer.Option(help=f"{', '.join(ALL_STAGES)}.")],
    model: ModelDir = TINY_MODEL_DIR,
    case: Annotated[str, typer.Option(help="Case whose inputs the stage is fed.")] = "drums",
    step: Annotated[int, typer.Option(help="Sampler step, for the DiT.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for Model Explorer overlays.")] = None,
    no_cache: NoCache = False,
    force: command.Force = False,
) -> None:
    """Compare every module inside one stage with the reference; 1 if any adds more error than it may."""
    console = wide_console()
    with told_in_one_line():
        from parity.explain.inside.blocks import block_table
        from parity.explain.inside.localize import first_fault
        from parity.explain.inside.search import InsideOptions, look_inside

        options = InsideOptions(model=model, bundle=bundle, stage=stage, case=case, step=step, out=out, force=force)
        with told(console) as say:
            errors = look_inside(options, user_store(no_cache), say)
    console.print(block_table(errors, f"{stage} of {bundle}, case {case}"))
    fault = first_fault(errors)
    console.print("no module is at fault" if fault is None else f"first fault: {fault.path}", highlight=False)
    _print_peak(console)
    raise typer.Exit(EXIT_OK if fault is None else EXIT_REFUSE)


@app.command("soak")
def soak_command(
    model: ModelDir = TINY_MODEL_DIR,
    bundle: Annotated[list[Path] | None, typer.Option(help="Bundle to judge; repeatable. Converted if left out.")] = None,
    variants: Annotated[str | None, typer.Option(help="Variants to judge, comma-separated; all if left out.")] = None,
    drawn: Annotated[int | None, typer.Option(min=1, help="Draw so many variants for each run; all if left out.")] = None,
    runs: Annotated[int, typer.Option(min=1, help="How many gate runs.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Number of the first run; a run is drawn from its number.")] = 0,
) -> None:
    """Run the gate over and over on drawn prompts, seconds, seeds, steps and threads; 1 if any run refuses."""
    console = wide_console()
    with told_in_one_line():
        from parity.soak import SoakOptions, soak

        options = SoakOptions(
            model=model, bundles=bundle or [], variants=_names(variants), drawn=drawn, runs=runs, seed=seed
        )
        with told(console) as say:
            refused = soak(options, say)
    console.print(f"{runs - refused} of {runs} runs end PUBLISH", highlight=False)
    raise typer.Exit(EXIT_REFUSE if refused else EXIT_OK)


@app.command("faults")
def faults_command(
    model: ModelDir = TINY_MODEL_DIR,
    bundle: Annotated[list[Path] | None, typer.Option(help="Clean bundle; repeatable. Converted if left out.")] = None,
    variants: Annotated[str | None, typer.Option(help="Variants to spoil; FP32, FP16 and INT8 LiteRT if left out.")] = None,
    only: Annotated[str | None, typer.Option(help="Faults to inject, comma-separated; all if left out.")] = None,
    files: Annotated[bool, typer.Option(help="Also convert every wrong module for real.")] = True,
    out: Annotated[Path | None, typer.Option(help="Write the table as Markdown.")] = None,
    no_cache: NoCache = False,
    force: command.Force = False,
) -> None:
    """Inject every fault of the catalogue and see whether the gate refuses and blames the right stage; 1 if it does not."""
    console = wide_console()
    with told_in_one_line():
        from parity.faults.run import FaultOptions, run_faults
        from parity.faults.table import page, show

        options = FaultOptions(model=model, bundles=bundle or [], variants=_names(variants), only=_names(only), files=files)
        with new_file(out, force) if out is not None else nullcontext() as file, told(console) as say:
            outcome = run_faults(options, user_store(no_cache), say)
            if file is not None:
                file.write_text(page(outcome), encoding="utf-8")
    show(outcome, console)
    if out is not None:
        console.print(f"wrote {out}", highlight=False)
    _print_peak(console)
    raise typer.Exit(EXIT_REFUSE if outcome.complaints() else EXIT_OK)


@app.command("headroom")
def headroom_command(
    report: Annotated[Path, typer.Argument(help="A report folder, or its report.json.")],
    record: Annotated[Path | None, typer.Option(help="Also write the ledger of limits to this file.")] = None,
    force: command.Force = False,
) -> None:
    """Print every budget with what a gate run measured, its limit, and the room between them.

    1 if a variant's worst room is outside the band and the ledger does not say why; the band is meant for the tiny model.
    """
    console = wide_console()
    with told_in_one_line():
        from parity.report import ledger
        from parity.report.headroom import headroom_table, headrooms, read_report, worst

        content = read_report(report)
        found = headrooms(content["checks"])
        if record is not None:
            ledger.record(content, record, force)
        outside = ledger.read_ledger(record or ledger.LEDGER).outside
    console.print(headroom_table(found))
    for row in worst(found).values():
        console.print(f"{row.variant}: least room {row.room:.2g}x, {row.budget}", highlight=False, soft_wrap=True)
    complaints = [told for row in worst(found).values() if (told := ledger.complaint(row, outside))]
    for told in complaints:
        console.print(f"[red]{told}[/red]", highlight=False, soft_wrap=True)
    if record is not None:
        console.print(f"wrote {record}", highlight=False)
    raise typer.Exit(EXIT_REFUSE if complaints else EXIT_OK)


@app.command("goldens")
def goldens_command(
    out: Annotated[Path, typer.Option(help="Folder to write: the arrays and an index.json.")],
    model: ModelDir = TINY_MODEL_DIR,
    force: command.Force = False,
) -> None:
    """Record the truth's numbers of a few cases, for a later version to be compared with."""
    with told_in_one_line():
        from parity.truth.goldens import record

        count = record(model, out, force)
    typer.echo(f"wrote {out} ({count} arrays)")


app.command("headline")(headline_command)
app.command("bench-report")(bench_report_command)
app.command("contract")(contract_command)
app.command("verify-wav")(verify_wav_command)


def _print_peak(console: Console) -> None:
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    console.print(f"largest process: {peak / 2**20:.2f} GiB resident", highlight=False)


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",")]


if __name__ == "__main__":
    app(prog_name="python -m parity")
