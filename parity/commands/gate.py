"""Commands that judge: once, or over and over."""

from datetime import date
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from fixtures import EMBEDDED_MODEL_DIR
from parity.commands.options import (
    AsJson,
    Draws,
    ModelDir,
    NoCache,
    print_peak,
    show_report,
    split_names,
    user_store,
    wide_console,
)
from reference import command
from reference.progress import show_progress, show_table
from reference.spec.errors import EXIT_OK, EXIT_REFUSE, InputError
from reference.spec.files import check_file, check_folder
from reference.spec.noise import MOST_SEED


def gate_command(
    model: ModelDir = EMBEDDED_MODEL_DIR,
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
    threads: Annotated[int, typer.Option(min=1, max=command.MOST_THREADS, help="CPU threads of every runtime.")] = 1,
    policy: Annotated[
        str | None,
        typer.Option(
            help="How close is close enough: publish, transparent, preview, or a TOML file like fixtures/policies/publish.toml. "
            "'publish' if left out, 'embedded' for what the gate converts itself."
        ),
    ] = None,
    require_license: Annotated[
        bool, typer.Option("--require-license", help="Refuse bundles without licence, notice and attribution.")
    ] = False,
    draws: Draws = None,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Seed of what is drawn.")] = 0,
    latency: Annotated[
        Path | None,
        typer.Option(
            help="What 'pytest --pyargs parity --benchmark-only --benchmark-json=FILE' measured of these bundles; shown in the "
            "report, and no part of the verdict."
        ),
    ] = None,
    no_cache: NoCache = False,
    as_json: AsJson = False,
    force: command.Force = False,
) -> None:
    """Say PUBLISH (exit code 0) or REFUSE (1) and why; 2 means the input could not be judged."""
    from parity.gate import GateOptions, run_gate
    from parity.latency.bench_report import latency_of, read_benches
    from parity.measure.policy_file import chosen_policy
    from parity.measure.sweep import Sweep
    from parity.report.report import require_all_judged, require_no_idle_exemption

    console = wide_console(stderr=as_json)
    if report is not None:
        check_folder(report, "report", force, [model, *(bundle or []), latency])
    options = GateOptions(
        model=model, bundles=bundle or [], report=report, variants=split_names(variants), cases=split_names(cases),
        threads=threads, force=force, require_license=require_license,
        sweep=Sweep(draws=draws, seed=seed), policy=chosen_policy(policy, date.today(), made_here=not bundle),
        latency=[] if latency is None else list(map(latency_of, read_benches(latency))),
    )  # fmt: skip
    with show_progress(console) as say:
        outcome = run_gate(options, user_store(no_cache), say, partial(show_report, console=console, as_json=as_json))
    if report is not None:
        names = ("report.html", "report.json", "junit.xml", "parity-card.md")
        console.print(f"wrote {', '.join(str(report / name) for name in names)}", highlight=False, soft_wrap=True)
    print_peak(console)
    require_no_idle_exemption(outcome)
    if outcome.publish and bundle:
        require_all_judged(outcome)
    raise typer.Exit(EXIT_OK if outcome.publish else EXIT_REFUSE)


def soak_command(
    model: Annotated[Path | None, typer.Option(help="Model dir; the embedded model if left out.")] = None,
    bundle: Annotated[list[Path] | None, typer.Option(help="Bundle to judge; repeatable. Converted if left out.")] = None,
    variants: Annotated[str | None, typer.Option(help="Variants to judge, comma-separated; all if left out.")] = None,
    drawn: Annotated[int | None, typer.Option(min=1, help="Draw so many variants for each run; all if left out.")] = None,
    runs: Annotated[int, typer.Option(min=1, help="How many gate runs.")] = 100,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Number of the first run; a run is drawn from its number.")] = 0,
    spoiled: Annotated[int, typer.Option(min=0, help="Of mixes make one in so many wrong; it has to be refused.")] = 0,
    log: Annotated[Path | None, typer.Option(help="Of mixes: where runs are noted; those that stand there are done.")] = None,
) -> None:
    """Run the gate over and over on drawn prompts, seconds, seeds, steps and threads; 1 if any run ends wrong.

    Without --model, --bundle, --variants and --drawn each run draws a mix, too: how stages are stored, of which seeded model.
    """
    from parity.soak import SoakOptions, soak

    console = wide_console()
    if model is None and not bundle and variants is None and drawn is None:
        raise typer.Exit(_soak_mixes(console, runs, seed, spoiled, log))
    if spoiled or log is not None:
        raise InputError("--spoiled and --log are for mixes that are drawn; leave out --model, --bundle, --variants and --drawn")
    options = SoakOptions(
        model=model or EMBEDDED_MODEL_DIR, bundles=bundle or [], variants=split_names(variants), drawn=drawn, runs=runs, seed=seed
    )
    with show_progress(console) as say:
        refused = soak(options, say)
    console.print(f"{runs - refused} of {runs} runs end PUBLISH", highlight=False)
    raise typer.Exit(EXIT_REFUSE if refused else EXIT_OK)


def _soak_mixes(console: Console, runs: int, seed: int, spoiled: int, log: Path | None) -> int:
    """Show what each arithmetic came to; the exit code."""
    from parity.measure.policy_file import chosen_policy
    from parity.soak_mixes import MixSoakOptions, by_arithmetic, soak_mixes

    if log is not None:
        check_file(log, force=True, reads=())
    policy = chosen_policy(None, date.today(), made_here=False)
    options = MixSoakOptions(runs=runs, seed=seed, spoiled=spoiled, log=log)
    with show_progress(console) as say, TemporaryDirectory() as folder:
        say(f"runs {seed} to {seed + runs - 1}; the same numbers draw the same")
        done = soak_mixes(options, policy, user_store(no_cache=False), Path(folder), say)
    table = Table("mix", "stores and computes", "runs", "right")
    for mix, arithmetic, count, right in by_arithmetic(done):
        table.add_row(mix, arithmetic, str(count), str(right))
    show_table(console, table)
    right = sum(run.right for run in done)
    took_s = sum(run.seconds for run in done)
    console.print(f"{right} of {runs} runs end right; {table.row_count} mixes, {took_s:.0f} s", highlight=False)
    return EXIT_OK if right == runs else EXIT_REFUSE
