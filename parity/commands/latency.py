"""Commands about speed."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from fixtures import EMBEDDED_MODEL_DIR
from parity.commands.options import ModelDir, NoCache, user_store, wide_console
from reference import command
from reference.progress import print_lines, show_progress, tell
from reference.spec.errors import EXIT_OK, EXIT_REFUSE, InputError, one_line
from reference.spec.files import check_file, new_file


def headline_command(
    bundle: Annotated[list[Path], typer.Option(help="Bundle to time; repeatable. 'plain' is what others are compared with.")],
    report: Annotated[Path, typer.Option(help="Report folder of a gate that judged these bundles, for the verdicts.")],
    model: ModelDir = EMBEDDED_MODEL_DIR,
    threads: Annotated[str, typer.Option(help="Numbers of CPU threads, comma-separated.")] = "1,2",
    rounds: Annotated[int, typer.Option(min=1, help="Generations of each that count; one before them does not.")] = 3,
    case: Annotated[str, typer.Option(help="Case that is generated.")] = "drums",
    peers: Annotated[bool, typer.Option("--peers", help="Race other runtimes, too, stage by stage.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write the tables as Markdown, and all rounds beside it as .json.")] = None,
    no_cache: NoCache = False,
    force: command.Force = False,
) -> None:
    """Time FP32, INT8 mixes and our fastest in turns: seconds per stage, memory, bytes, each with its verdict."""
    from contextlib import ExitStack

    console = wide_console()
    paths = [] if out is None else [out, out.with_suffix(".json")]
    for place, path in enumerate(paths):
        check_file(path, force, [model, report, *bundle, *paths[:place]])
    with ExitStack() as stack:
        from parity.latency.headline import HeadlineOptions, run_headline, to_json
        from parity.latency.headline_table import markdown, show

        options = HeadlineOptions(
            model=model, bundles=bundle, report=report, threads=list(command.thread_counts(threads)), rounds=rounds,
            case=case, peers=peers,
        )  # fmt: skip
        files = [stack.enter_context(new_file(path, force)) for path in paths]
        with show_progress(console) as say:
            found = run_headline(options, user_store(no_cache), say)
        for file, text in zip(files, (markdown(found), to_json(found)), strict=False):
            file.write_text(text, encoding="utf-8")
    show(found, console)
    for path in paths:
        console.print(f"wrote {path}", highlight=False, soft_wrap=True)


def codec_command(
    model: ModelDir,
    bundle: Annotated[list[Path], typer.Option(help="LiteRT bundle of the codec; repeatable.")],
    seconds: Annotated[float, typer.Option(min=0.1, help="Seconds of sound to code.")] = 10.0,
    rounds: Annotated[int, typer.Option(min=1, help="How often each codes it, one after the other.")] = 3,
    threads: Annotated[int, typer.Option(min=1, max=command.MOST_THREADS, help="CPU threads of every runtime.")] = 1,
    memory: Annotated[
        str | None, typer.Option(help="Also the peak memory of coding so many seconds, comma-separated, such as 30,1800.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the tables as Markdown; printed all the same.")] = None,
    no_cache: NoCache = False,
    force: command.Force = False,
) -> None:
    """Measure a codec's bundles: SNR to the float64 truth, speed beside PyTorch, in turns, and memory."""
    from parity.latency.codec import CodecOptions, markdown, measure_codec

    console = wide_console()
    if out is not None:
        check_file(out, force, [model, *bundle])
    lengths = _lengths(memory)
    with nullcontext() if out is None else new_file(out, force) as file:
        options = CodecOptions(model=model, bundles=bundle, seconds=seconds, rounds=rounds, threads=threads, lengths_s=lengths)
        with show_progress(console) as say:
            text = markdown(measure_codec(options, user_store(no_cache), say))
        if file is not None:
            file.write_text(text, encoding="utf-8")
    print_lines(console, text)


def _lengths(told: str | None) -> list[float]:
    try:
        lengths = [float(one) for one in told.split(",")] if told else []
    except ValueError:
        lengths = [0.0]
    if any(not length > 0 for length in lengths):
        raise InputError(f"memory is '{told}', expected seconds with commas between them, such as 30,1800")
    return lengths


def bench_report_command(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="What 'pytest parity/ --benchmark-only --benchmark-json=FILE' wrote; ending in .log or .txt, what LiteRT's "
            "benchmark_model printed."
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Write it as .md, or as .html with pictures; printed if left out.")] = None,
    baseline: Annotated[Path | None, typer.Option(help="An earlier file of the same machine to hold them to.")] = None,
    slower_by: Annotated[float, typer.Option(min=1.0, help="How many times its ratio to the yardstick a stage may lose.")] = 1.2,
    force: command.Force = False,
) -> None:
    """Compare latencies of several machines; 1 if a stage lost speed against the baseline."""
    from parity.latency.bench_page import markdown, write_page
    from parity.latency.bench_report import read_benches, slower, told_apart
    from parity.latency.tool_log import read_any

    console = wide_console()
    if out is not None:
        check_file(out, force, [*files, baseline])
    form = "md" if out is None else out.suffix.removeprefix(".")
    if form not in ("md", "html"):
        raise InputError(f"{out}: ends in '.{form}', expected .md or .html")
    benches = told_apart([bench for file in files for bench in read_any(file)])
    lost = [] if baseline is None else slower(benches, read_benches(baseline), slower_by)
    if out is not None:
        with new_file(out, force) as file:
            write_page(benches, file, form)
    print_lines(console, markdown(benches) if out is None else one_line(f"wrote {out}"))
    for sentence in lost:
        tell(console, "red", "slower", sentence)
    raise typer.Exit(EXIT_REFUSE if lost else EXIT_OK)
