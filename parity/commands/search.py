"""Commands that ask which quantization is safe, and what it buys."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from parity.commands.options import print_peak, user_store, wide_console
from parity.commands.search_options import SearchOptions
from reference.command_line import takes_options
from reference.progress import show_progress, show_table, tell
from reference.spec.errors import EXIT_OK, EXIT_REFUSE, InputError
from reference.spec.files import new_folder
from reference.spec.kinds import Kind

if TYPE_CHECKING:
    from parity.search.asking import Asker
    from parity.search.search import Found

SENSITIVITIES: Kind = "table of sensitivities"  # what each command writes, found out before work and noted behind it
SEARCH: Kind = "search"


@takes_options(SearchOptions)
def sensitivity_command(
    options: SearchOptions,
    rounds: Annotated[int, typer.Option(min=0, help="Rounds of each race with the float file; 0 races nothing.")] = 0,
) -> None:
    """Store one part of a stage at a time in each way the quantizer has, and measure how far that takes the stage.

    Every trial is the real file, quantized and run on the truth's inputs. What was measured before is not measured again, so a
    run that was stopped goes on where it was. `--out` gets the page with heat maps, tables, and overlays for Model Explorer.
    """
    from parity.search.sensitivity import sensitivities
    from parity.search.session import session
    from parity.search.tables import CELL_COLUMNS, cell_rows
    from parity.search.written import write_sensitivity

    console, asked = wide_console(), options.checked(rounds, SENSITIVITIES)
    with show_progress(console) as say, session(asked, say) as opened:
        found = sensitivities(opened.asker, opened.question, opened.groups, opened.schemes)
        _write(partial(write_sensitivity, found), SENSITIVITIES, options, console)
    show_table(console, _table(CELL_COLUMNS[:-2], cell_rows(found)))
    _end(opened.asker, console)


@takes_options(SearchOptions)
def search_command(
    options: SearchOptions,
    policy: Annotated[
        str, typer.Option(help="How close is close enough: publish, transparent, preview, or a TOML file of your own.")
    ] = "publish",
    objective: Annotated[str, typer.Option(help="What is to be small beside the distance: bytes, or latency.")] = "bytes",
    budget: Annotated[int, typer.Option(min=1, help="Mixes that are measured, beside each part alone.")] = 60,
    points: Annotated[int, typer.Option(min=2, help="Points of the front, at most: each is held to the whole gate.")] = 5,
    rounds: Annotated[
        int, typer.Option(min=1, help="Rounds of each race with the float file, where latency is the objective.")
    ] = 20,
    study: Annotated[
        str | None,
        typer.Option(help="File or database URL that keeps the proposals; several searches may share it. In memory if left out."),
    ] = None,
) -> None:
    """Look for mixes of schemes that are close to the original and small, or fast: 0 if any may be published, 1 if none.

    Each part alone is measured first; from that follow the first proposals, and from those the next. Each is quantized and
    measured whole. The best are held to the whole gate: only what it says PUBLISH of is on the front.
    """
    from parity.commands.judged_points import judged_points
    from parity.measure.policy_file import chosen_policy
    from parity.search.proposing import proposer_for
    from parity.search.search import Wanted, run_search
    from parity.search.sensitivity import LATENCY, OBJECTIVES, sensitivities
    from parity.search.session import session
    from parity.search.written import write_search

    if objective not in OBJECTIVES:
        raise InputError(f"objective '{objective}' is unknown; valid objectives: {', '.join(OBJECTIVES)}")
    console, asked = wide_console(), options.checked(rounds if objective == LATENCY else 0, SEARCH)
    held = chosen_policy(policy, date.today(), made_here=False)
    wanted = Wanted(policy=held, objective=objective, budget=budget, seed=options.seed, most_points=points)
    with show_progress(console) as say, session(asked, say) as opened:
        alone = sensitivities(opened.asker, opened.question, opened.groups, opened.schemes)
        gate = partial(
            judged_points, bundle=opened.bundle, model=options.model, stage=options.stage, policy=held, threads=options.threads,
            store=user_store(options.no_cache), say=say,
        )  # fmt: skip
        found = run_search(opened.asker, alone, proposer_for(alone, wanted, study), wanted, gate)
        _write(partial(write_search, found), SEARCH, options, console)
    _show_search(found, console)
    _end(opened.asker, console)
    raise typer.Exit(EXIT_OK if found.points else EXIT_REFUSE)


def _write(write: Callable[[Path], Sequence[str]], kind: Kind, options: SearchOptions, console: Console) -> None:
    """The folder that was asked for, whole or not at all."""
    if options.out is not None:
        with new_folder(options.out, kind, options.force) as folder:
            names = write(folder)
        console.print(f"wrote {', '.join(str(options.out / name) for name in names)}", highlight=False, soft_wrap=True)


def _show_search(found: "Found", console: Console) -> None:
    """The front, and what follows from it, in sentences."""
    from parity.search.tables import POINT_COLUMNS, decided_by, point_rows

    show_table(console, _table(POINT_COLUMNS[:-1], point_rows(found)))
    whole, logarithms = found.correlations
    sentences = [decided_by(found.wanted.objective), *map(found.beside, found.own)]
    sentences.append(f"expected and measured distances correlate by {whole:.3f}, their logarithms by {logarithms:.3f}")
    sentences += [f"{point.name} is refused: {point.verdict.why}" for point in found.refused if point.verdict]
    for sentence in sentences:
        console.print(sentence, highlight=False, soft_wrap=True)
    word, style = ("front", "green") if found.points else ("no front", "red")
    tell(console, style, word, f"{len(found.points)} points may be published, policy {found.wanted.policy.name}", ": ")


def _table(columns: Iterable[str], rows: Iterable[dict[str, Any]]) -> Table:
    from parity.search.tables import told

    columns, table = list(columns), Table()
    for place, name in enumerate(columns):
        table.add_column(name.replace("_", " "), justify="left" if place < 1 or name in ("scheme", "verdict") else "right")
    for row in rows:
        table.add_row(*(told(row[name]) for name in columns))
    return table


def _end(asker: "Asker", console: Console) -> None:
    """What was lost, and what it took."""
    for sentence in asker.lost:
        tell(console, "red", "lost", sentence)
    console.print(f"{asker.measured} trials measured", highlight=False)
    print_peak(console)
