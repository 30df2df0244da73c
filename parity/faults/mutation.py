"""The mutation run: every fault injected, and what the gate makes of it."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import combinations

from parity.explain.blame import localized
from parity.explain.inside.module_error import first_fault
from parity.faults.arithmetics import arithmetic_of
from parity.faults.bench import Bench
from parity.faults.checks import Finding, find, injected, is_caught
from parity.faults.converted import as_file, from_plain
from parity.faults.fault import Fault, Told
from parity.faults.injection import InFile
from parity.judge.judge import Judge
from parity.judge.plan import Plan
from parity.measure.cases import Case, load_cases
from parity.measure.verdict import Verdict
from reference.progress import Say

SHARES = tuple(
    float(f"{factor}e-{power}") for power in range(7) for factor in (1, 0.5, 0.2)
)  # from the whole downwards
MULTIPLES = tuple(float(f"{factor}e{power}") for power in range(4) for factor in (2, 5, 10))  # of what is missed
CASES = ("drums", "pad", "one_too_many")
PAIRS = 30
NAMED = ("litert_fp32", "litert_int8")  # where the module inside a file is looked for; that takes as long as all the checks


@dataclass(frozen=True, kw_only=True)
class Row:
    """A fault in a variant. `threshold` is the mildest share of it that is caught (None: it is there or not).

    `file` is the finding about the wrong module really converted; `module` what is named inside that file.
    """

    fault: Told
    variant: str
    finding: Finding
    threshold: float | None
    file: Finding | None = None
    module: str | None = None

    @property
    def judged(self) -> Finding:
        """About the file where there is one: that is what would be published."""
        return self.file or self.finding

    @property
    def caught(self) -> bool:
        return self.judged.caught

    @property
    def hidden(self) -> str:
        """Why it is known to be missed there; empty where it is not, and where it is caught."""
        return "" if self.caught else self.fault.hidden.get(arithmetic_of(self.variant), "")

    @property
    def blamed(self) -> bool:
        """Whether it is caught and the right stage blamed."""
        return self.caught and self.judged.blames(self.fault.stage)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two faults at once."""

    faults: tuple[Told, Told]
    variant: str
    finding: Finding

    @property
    def blamed(self) -> bool:
        """Whether one of the two stages at fault is blamed."""
        return any(self.finding.blames(fault.stage) for fault in self.faults)

    def __str__(self) -> str:
        return f"{self.faults[0].name} with {self.faults[1].name} in {self.variant}"


def cases_for(bench: Bench, faults: Iterable[Fault]) -> list[Case]:
    """The usual cases and those the faults want."""
    names = dict.fromkeys([*CASES, *(case for fault in faults for case in fault.cases)])
    return load_cases(bench.judge.model.tokenizer, bench.judge.model.spec, list(names))


def run_fault(bench: Bench, fault: Fault, variant: str) -> Row:
    """Inject one fault whole, then less and less of it."""
    cases = cases_for(bench, [fault])
    whole = injected(bench, [fault], variant, cases)
    row = Row(fault=fault.told, variant=variant, finding=whole, threshold=_threshold(bench, fault, variant, cases, whole))
    if fault.name not in bench.converted or not from_plain(bench, fault, variant):
        return row
    with as_file(bench, fault, variant) as judge:
        found = find(judge, variant, cases, touched={fault.stage})
        named = _module(judge, found, fault, variant, cases) if variant in NAMED else None
    return replace(row, file=found, module=named)


def _module(judge: Judge, found: Finding, fault: Fault, variant: str, cases: list[Case]) -> str | None:
    """What is named inside the file."""
    inside = localized(judge, found.failed, lambda _: cases, lambda _: None).get((variant, fault.stage), [])
    named = first_fault(inside)
    return None if named is None else named.path


def clean_failures(bench: Bench, variants: list[str], cases: list[Case], say: Say) -> list[Verdict]:
    """What the gate holds against the same files without any fault; has to be nothing."""
    return [check for check in Plan.of(bench.judge, variants, cases).checks(say) if not check.ok]


def pairs(faults: list[Fault], seed: int = 0) -> list[tuple[Fault, Fault]]:
    """Some pairs of faults, drawn. Files cannot be damaged twice, nor a sampler's step."""
    single = [fault for fault in faults if not fault.instead and not isinstance(fault.inject, InFile)]
    drawn = [pair for pair in combinations(single, 2) if {fault.site for fault in pair} != {"sampler"}]
    random.Random(seed).shuffle(drawn)
    return drawn[:PAIRS]


def run_pair(bench: Bench, pair: tuple[Fault, Fault], variant: str) -> Pair:
    """Inject two faults at once."""
    (one, two), found = pair, injected(bench, list(pair), variant, cases_for(bench, pair))
    return Pair(faults=(one.told, two.told), variant=variant, finding=found)


def _threshold(bench: Bench, fault: Fault, variant: str, cases: list[Case], whole: Finding) -> float | None:
    """The mildest of `SHARES`, or of a missed fault's `MULTIPLES`, that is caught; None if no such thing is found.

    Takes for granted that more of a fault is no harder to see.
    """

    def caught(share: float) -> bool:
        return is_caught(bench, fault, variant, cases, share, deep=fault.in_generations_only)

    if not fault.graded:
        return None
    return mildest(SHARES, caught) if whole.caught else next(filter(caught, MULTIPLES), None)


def mildest(shares: tuple[float, ...], caught: Callable[[float], bool]) -> float:
    """The last of falling `shares` that is caught, by bisection; the first one is known to be."""
    sure, missed = 0, len(shares)
    while missed - sure > 1:
        middle = (sure + missed) // 2
        if caught(shares[middle]):
            sure = middle
        else:
            missed = middle
    return shares[sure]
