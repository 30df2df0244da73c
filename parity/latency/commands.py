"""Commands about speed."""

from pathlib import Path
from typing import Annotated

import typer

from fixtures import TINY_MODEL_DIR
from parity.elsewhere import ModelDir, NoCache, user_store, wide_console
from reference import command
from reference.progress import told
from reference.spec.errors import told_in_one_line
from reference.spec.files import new_file


def headline_command(
    bundle: Annotated[list[Path], typer.Option(help="Bundle to time; repeatable. 'plain' is what others are compared with.")],
    report: Annotated[Path, typer.Option(help="Report folder of a gate that judged these bundles, for the verdicts.")],
    model: ModelDir = TINY_MODEL_DIR,
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
    with told_in_one_line(), ExitStack() as stack:
        from parity.latency.headline import HeadlineOptions, run_headline, to_json
        from parity.latency.headline_table import markdown, show

        options = HeadlineOptions(
            model=model, bundles=bundle, report=report, threads=[int(part) for part in threads.split(",")], rounds=rounds,
            case=case, peers=peers,
        )  # fmt: skip
        paths = [] if out is None else [out, out.with_suffix(".json")]
        files = [stack.enter_context(new_file(path, force)) for path in paths]
        with told(console) as say:
            found = run_headline(options, user_store(no_cache), say)
        for file, text in zip(files, (markdown(found), to_json(found)), strict=False):
            file.write_text(text, encoding="utf-8")
    show(found, console)
    for path in paths:
        console.print(f"wrote {path}", highlight=False)
