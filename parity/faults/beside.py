"""What the faults say of a second model, beside the first: what one of the two misses, and whose shares are far apart."""

from collections.abc import Iterator
from dataclasses import dataclass

from parity.faults.arithmetics import TARGETS, Target, title_of
from parity.faults.mutation import Row
from parity.faults.outcome import Outcome

FAR = 10.0  # times the share


@dataclass(frozen=True, kw_only=True)
class OnModel:
    """A model's name and what was found on it."""

    model: str
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class Both:
    """The same fault in the same arithmetic of either model."""

    first: Row
    second: Row

    @property
    def times(self) -> float:
        """How many times the share is that the first model needs; 1 where there are no shares."""
        if self.first.threshold is None or self.second.threshold is None:
            return 1.0
        return self.first.threshold / self.second.threshold

    @property
    def seen_by_one(self) -> bool:
        """Whether it is caught and blamed right on one of the two alone."""
        return self.first.blamed != self.second.blamed


def both(first: Outcome, second: Outcome) -> list[Both]:
    """All that was injected into both models."""
    there = {(row.fault.name, row.variant): row for row in second.rows}
    keys = [(row.fault.name, row.variant) for row in first.rows]
    return [Both(first=row, second=there[key]) for row, key in zip(first.rows, keys, strict=True) if key in there]


def section(outcome: Outcome, beside: OnModel) -> list[str]:
    """Paragraphs and tables, without a heading of their own."""
    pairs = both(outcome, beside.outcome)
    alone = [_seen_by_one(pair, beside.model) for pair in pairs if pair.seen_by_one]
    far = sorted((pair for pair in pairs if max(pair.times, 1 / pair.times) >= FAR), key=lambda pair: -pair.times)
    parts = [
        f"The same faults in files of {beside.model}. The mildest shares that are caught, of faults that have some on both:",
        "\n".join(_counts(pairs)),
        "\n".join(alone) or "No fault is caught on one of the two alone.",
    ]
    if far:
        parts += [f"Shares that are {FAR:g} times apart or more:", "\n".join(_far(far, beside.model))]
    return parts


def _counts(pairs: list[Both]) -> Iterator[str]:
    yield "| arithmetic | faults with shares | the same share | a smaller one here | a larger one here |"
    yield "| --- " * 5 + "|"
    for target in TARGETS.values():
        times = [pair.times for pair in _of(target, pairs) if pair.first.threshold and pair.second.threshold]
        smaller, larger = sum(one < 1 for one in times), sum(one > 1 for one in times)
        if times:
            yield f"| {target.title} | {len(times)} | {len(times) - smaller - larger} | {smaller} | {larger} |"


def _of(target: Target, pairs: list[Both]) -> list[Both]:
    return [pair for pair in pairs if pair.first.variant == target.variant]


def _seen_by_one(pair: Both, model: str) -> str:
    seen, missed = (pair.first, pair.second) if pair.first.blamed else (pair.second, pair.first)
    of = f"in files of {model}"
    where, there = (f"here and missed {of}", "there") if seen is pair.first else (f"{of} and missed here", "here")
    return f"- `{seen.fault.name}` at {title_of(seen.variant)} is caught {where}: {seen.fault.sentence}; {there} {_why(missed)}."


def _why(missed: Row) -> str:
    near = f"the worst check uses {100 * missed.judged.nearest:.0f} % of its limit"
    return "another stage is blamed" if missed.caught else near


def _far(pairs: list[Both], model: str) -> Iterator[str]:
    yield f"| fault | arithmetic | here | {model} |"
    yield "| --- " * 4 + "|"
    for pair in pairs:
        yield f"| `{pair.first.fault.name}` | {title_of(pair.first.variant)} | {_least(pair.first)} | {_least(pair.second)} |"


def _least(row: Row) -> str:
    return f"{row.judged.check or 'missed'}, from {row.threshold:g}"

