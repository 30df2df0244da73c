"""The mutation run as a page of Markdown: what is caught, by which check, from how little of it on."""

from collections.abc import Iterable

from rich.console import Console

from parity.faults.catalogue import CATALOGUE
from parity.faults.mutation import CASES, MULTIPLES, SHARES, Row
from parity.faults.run import LEAST_CAUGHT, STRICT, Outcome

HEAD = f"""# What the gate catches

Written by `python -m parity faults --out docs/faults.md --force` (`make faults`), on the embedded tiny model unless `--model`
says otherwise. Every fault is injected into converted files and the gate's checks are run on the cases
{", ".join(CASES)} and those a fault asks for, free-running on one of them and only where nothing else failed.

A cell says which check is blamed and how many times over its limit it is, then the mildest share of the fault that is still
caught: 0.001 means that a thousandth of the way from right to wrong is enough. {SHARES[-1]:g} is the least that is
tried; of tokens and bytes it is one. No share: the fault is there or not.

Faults of modules were really converted (and quantized in the INT8 bundle), and the module that is named inside a file is
given; their shares are what the wrong module answers otherwise, added to the clean file's answers. The last column is a
public thread about it, or the file whose convention is broken.
"""


def page(outcome: Outcome) -> str:
    """The whole page."""
    parts = [HEAD.rstrip(), "\n".join(_summary(outcome)), "## One fault at a time", "\n".join(_rows(outcome))]
    missed = [row for row in outcome.rows if not row.blamed]
    if missed:
        parts += ["## Missed", "\n".join(_missed(row) for row in missed)]
    if outcome.pairs:
        parts += ["## Two faults at once", "\n".join(_pairs(outcome))]
    return "\n\n".join(parts) + "\n"


def show(outcome: Outcome, console: Console) -> None:
    """The sums on a terminal, then what is wrong with them."""
    for line in _summary(outcome):
        console.print(line, highlight=False, soft_wrap=True)
    for complaint in outcome.complaints():
        console.print(f"[red]{complaint}[/red]", highlight=False, soft_wrap=True)


def _summary(outcome: Outcome) -> Iterable[str]:
    for variant in outcome.variants:
        caught, injected = outcome.caught(variant)
        wanted = "all of them" if variant == STRICT else f"{LEAST_CAUGHT:.0%}"
        yield f"- `{variant}`: {caught} of {injected} caught and blamed on the right stage (wanted: {wanted})."
    if outcome.pairs:
        blamed = sum(pair.blamed for pair in outcome.pairs)
        hidden = sum(outcome.hidden(pair) for pair in outcome.pairs if not pair.blamed)
        rest = f"; {hidden} hidden by the precision that hides each of the two" if hidden else ""
        yield f"- Two at once: {blamed} of {len(outcome.pairs)} refused, one of the two stages blamed{rest}."
    if outcome.clean is not None:
        yield f"- Without a fault: {len(outcome.clean)} checks failed."


def _rows(outcome: Outcome) -> Iterable[str]:
    yield ("| stage | fault | what goes wrong | into | " + " | ".join(outcome.variants) + " | module named | source |")
    yield "| --- " * (6 + len(outcome.variants)) + "|"
    places = {name: place for place, name in enumerate(CATALOGUE)}
    names = sorted({row.fault.name for row in outcome.rows}, key=lambda name: places.get(name, len(places)))
    by_name = {(row.fault.name, row.variant): row for row in outcome.rows}
    for name in names:
        rows = [by_name.get((name, variant)) for variant in outcome.variants]
        fault = next(row.fault for row in rows if row is not None)
        cells = [_cell(row) for row in rows]
        module = next((row.module for row in rows if row is not None and row.module), None)
        start = [fault.stage, f"`{name}`", fault.sentence, fault.site]
        yield "| " + " | ".join([*start, *cells, f"`{module}`" if module else "", fault.source]) + " |"


def _cell(row: Row | None) -> str:
    if row is None:
        return "-"
    if not row.caught:
        return "**missed**" + (f", from {row.threshold:g}" if row.threshold is not None else "")
    blamed = "" if row.blamed else "**wrongly blamed**: "
    return blamed + row.judged.sentence + (f", from {row.threshold:g}" if row.threshold is not None else "")


def _missed(row: Row) -> str:
    near = f"its worst check uses {100 * row.judged.nearest:.0f} % of the limit"
    least = (
        "it is there or not" if not row.fault.graded else f"up to {MULTIPLES[-1]:g} times as much of it is not caught"
    )
    if row.threshold is not None:
        least = f"{row.threshold:g} times as much of it is caught"
    return f"- `{row.fault.name}` in `{row.variant}`: {row.fault.sentence}; {near}, {least}."


def _pairs(outcome: Outcome) -> Iterable[str]:
    yield "| variant | faults | refused for |"
    yield "| --- | --- | --- |"
    for pair in outcome.pairs:
        stage = pair.finding.first.stage if pair.finding.first else "nothing"
        one, two = pair.faults
        verdict = f"{stage}: {pair.finding.sentence}" if pair.blamed else f"**{stage}**"
        verdict += ", as each of them alone" if not pair.blamed and outcome.hidden(pair) else ""
        yield f"| {pair.variant} | `{one.name}` ({one.stage}), `{two.name}` ({two.stage}) | {verdict} |"
