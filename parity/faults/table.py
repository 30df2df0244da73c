"""The mutation run as a page of Markdown: what is caught, by which check, from how little of it on."""

from collections import Counter
from collections.abc import Iterable

from rich.console import Console

from parity.faults.arithmetics import title_of
from parity.faults.beside import OnModel, section
from parity.faults.mutation import CASES, MULTIPLES, SHARES, Pair, Row
from parity.faults.outcome import LEAST_CAUGHT, Outcome, blamed
from reference.progress import tell
from reference.spec.stages import ALL_STAGES

BETWEEN = "between the stages, and of the bundle as a whole"
HEAD = """# What the gate catches

Every known way to break a converted model is put into converted files, one at a time, and the gate is asked for its verdict.
This page is what it answered, of files of {model}; `make faults` writes it, the same page every time. The first table says how
many faults were refused with the right stage blamed, and how many are known to be hidden; the tables below, which check saw each.
"""
HOW = f"""## How to read the tables

A fault is injected at every arithmetic that its stage has; where a bundle takes a stage from another one, as the INT8 bundle does
with its conditioner, that is the very same file and stands in the other's column. A cell names the check that is blamed, how many
times over its limit it is, and the mildest share of the fault that is still caught: "from 0.001" means that a thousandth of the
way from right to wrong is enough. {SHARES[-1]:g} is the least that is tried; of tokens and bytes it is one. No share: the fault
is there or not. "-": this arithmetic cannot have it.

Faults of modules were really converted, and quantized where the arithmetic is; their shares are what the wrong module answers
otherwise, added to the clean file's answers. A share of wrong weights in a quantized file is stored: weights that are so much
of the way, quantized as the right ones. The checks are run on the cases {", ".join(CASES)} and those that a fault asks for,
free-running on one of them and only where nothing else failed.
"""


def page(on: OnModel, beside: OnModel | None = None) -> str:
    """The whole page of a model, and what a second one shows otherwise."""
    outcome = on.outcome
    parts = [HEAD.format(model=on.model).rstrip(), "\n".join(_summary(outcome))]
    missed = [row for row in outcome.rows if not row.blamed]
    if missed:
        parts += ["## Missed", "\n".join(_missed(row) for row in missed)]
    if beside is not None:
        parts += ["## On another model", *section(outcome, beside), "\n".join(_summary(beside.outcome))]
        parts += ["\n".join(lines)] if (lines := [_missed(row) for row in beside.outcome.rows if not row.blamed]) else []
    parts += ["## Which check is blamed", "\n".join(_checks(outcome)), HOW.rstrip()]
    for stage, rows in _by_stage(outcome):
        parts += [f"## Faults of the {stage}" if stage in ALL_STAGES else f"## Faults {stage}", "\n".join(_rows(outcome, rows))]
    parts += ["## Where they come from", "\n".join(_sources(outcome))]
    if outcome.pairs:
        parts += ["## Two faults at once", "\n".join(_pairs(outcome))]
    return "\n\n".join(parts) + "\n"


def show(outcome: Outcome, console: Console) -> None:
    """The sums on a terminal, then what is wrong with them."""
    for line in _summary(outcome):
        console.print(line, highlight=False, soft_wrap=True)
    for complaint in outcome.complaints():
        tell(console, "red", "wrong", complaint)


def _summary(outcome: Outcome) -> Iterable[str]:
    yield "| arithmetic | stages that have it | faults there | blamed right | in the whole bundle | blamed right | wanted |"
    yield "| --- " * 7 + "|"
    for target in outcome.targets:
        own, whole = outcome.own(target), outcome.whole(target)
        stages = "all" if target.stages == ALL_STAGES else ", ".join(target.stages)
        counts = f"{len(own)} | {blamed(own)} | {len(whole)} | {_share(whole)}"
        yield f"| {target.title} (`{target.variant}`) | {stages} | {counts} | {LEAST_CAUGHT[target.name]:.0%} |"
    yield ""
    if outcome.pairs:
        yield _pairs_in_sum(outcome)
    if outcome.clean is not None:
        yield f"- Without a fault: {len(outcome.clean)} checks failed."


def _share(rows: list[Row]) -> str:
    """How many are blamed right, and of all that are not known to be hidden which share."""
    hidden = sum(bool(row.hidden) for row in rows)
    known = f" and {hidden} hidden" if hidden else ""
    return f"{blamed(rows)}{known}, {blamed(rows) / max(1, len(rows) - hidden):.1%}"


def _pairs_in_sum(outcome: Outcome) -> str:
    seen = sum(pair.blamed for pair in outcome.pairs)
    hidden = sum(outcome.hidden(pair) for pair in outcome.pairs if not pair.blamed)
    rest = f"; {hidden} hidden by the precision that hides each of the two" if hidden else ""
    return f"- Two at once: {seen} of {len(outcome.pairs)} refused, one of the two stages blamed{rest}."


def _checks(outcome: Outcome) -> Iterable[str]:
    """How many faults each check is blamed for."""
    yield f"| check | {' | '.join(target.title for target in outcome.targets)} |"
    yield "| --- " * (1 + len(outcome.targets)) + "|"
    counts = {target: Counter(row.judged.check for row in outcome.own(target) if row.caught) for target in outcome.targets}
    names = Counter(name for found in counts.values() for name in found.elements())
    for name, _ in sorted(names.items(), key=lambda pair: (-pair[1], pair[0])):
        yield f"| {name} | {' | '.join(str(counts[target][name] or '') for target in outcome.targets)} |"


def _by_stage(outcome: Outcome) -> list[tuple[str, list[Row]]]:
    """Rows by the stage at fault; what is of none stands last."""
    found: dict[str, list[Row]] = {stage: [] for stage in (*ALL_STAGES, BETWEEN)}
    for row in outcome.rows:
        found[row.fault.stage if row.fault.stage in ALL_STAGES else BETWEEN].append(row)
    return [(stage, rows) for stage, rows in found.items() if rows]


def _rows(outcome: Outcome, rows: list[Row]) -> Iterable[str]:
    targets = [target for target in outcome.targets if any(row.variant == target.variant for row in rows)]
    yield f"| fault | what goes wrong | into | {' | '.join(target.title for target in targets)} |"
    yield "| --- " * (3 + len(targets)) + "|"
    by_name = {(row.fault.name, row.variant): row for row in rows}
    for fault in {row.fault.name: row.fault for row in rows}.values():
        cells = [_cell(by_name.get((fault.name, target.variant))) for target in targets]
        yield f"| `{fault.name}` | {fault.sentence} | {fault.site} | {' | '.join(cells)} |"


def _cell(row: Row | None) -> str:
    if row is None:
        return "-"
    least = f", from {row.threshold:g}" if row.threshold is not None else ""
    if not row.caught:
        return f"**missed**{least}"
    return f"{'' if row.blamed else '**wrongly blamed**: '}{row.judged.sentence}{least}"


def _missed(row: Row) -> str:
    near = f"its worst check uses {100 * row.judged.nearest:.0f} % of the limit"
    least = (
        "it is there or not" if not row.fault.graded else f"up to {MULTIPLES[-1]:g} times as much of it is not caught"
    )
    if row.threshold is not None:
        least = f"{row.threshold:g} times as much of it is caught"
    why = f" {row.hidden[0].upper()}{row.hidden[1:]}." if row.hidden else ""
    return f"- `{row.fault.name}` at {title_of(row.variant)}: {row.fault.sentence}; {near}, {least}.{why}"


def _sources(outcome: Outcome) -> Iterable[str]:
    """Public threads, the files whose convention is broken, and the module that is named inside the file."""
    yield "| fault | source | module named inside the file |"
    yield "| --- " * 3 + "|"
    named = {row.fault.name: row.module for row in reversed(outcome.rows) if row.module}
    for fault in {row.fault.name: row.fault for row in outcome.rows}.values():
        module = named.get(fault.name)
        yield f"| `{fault.name}` | {fault.source} | {f'`{module}`' if module else ''} |"


def _pairs(outcome: Outcome) -> Iterable[str]:
    yield "| arithmetic | faults | refused for |"
    yield "| --- | --- | --- |"
    for pair in outcome.pairs:
        one, two = pair.faults
        yield f"| {title_of(pair.variant)} | `{one.name}` ({one.stage}), `{two.name}` ({two.stage}) | {_verdict(outcome, pair)} |"


def _verdict(outcome: Outcome, pair: Pair) -> str:
    stage = pair.finding.first.stage if pair.finding.first else "nothing"
    verdict = f"{stage}: {pair.finding.sentence}" if pair.blamed else f"**{stage}**"
    return verdict + (", as each of them alone" if not pair.blamed and outcome.hidden(pair) else "")
