"""The gate's checks on a variant with a fault, in the gate's order, and what they say."""

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property

from parity.explain.suspects import suspects
from parity.faults.bench import Bench
from parity.faults.fault import Fault
from parity.faults.injection import InFile
from parity.judge.judge import Judge
from parity.judge.plan import free_running_cases
from parity.measure.cases import Case, load_cases
from parity.measure.sweep import Sweep
from parity.measure.verdict import Verdict
from reference.spec.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What the gate says about a variant: the failed checks, or the sentence with which it could not judge.

    `nearest` is how much of its limit the worst check of the stages touched uses, failed or not.
    """

    failed: list[Verdict]
    error: str | None = None
    nearest: float = 0.0

    @property
    def caught(self) -> bool:
        return bool(self.failed) or self.error is not None

    @cached_property
    def first(self) -> Verdict | None:
        """The check that the gate blames."""
        return next(iter(suspects(self.failed)), None)

    @property
    def sentence(self) -> str:
        """What is told of the check blamed, in few words."""
        if self.error is not None:
            return "cannot be judged"
        if self.first is None:
            return "nothing failed"
        times = self.first.share_of_limit
        return self.first.metric + (f" {times:.2g}x" if math.isfinite(times) else "")

    @property
    def check(self) -> str:
        """The check that is blamed, by name."""
        return "cannot be judged" if self.error is not None else self.first.metric if self.first else ""

    @property
    def metrics(self) -> set[tuple[str, str, str]]:
        """(ladder, stage, metric) of every failed check."""
        return {(check.ladder, check.stage, check.metric) for check in self.failed}

    def blames(self, stage: str) -> bool:
        """Whether the stage is blamed, or its file named where nothing could be judged."""
        if self.error is not None:
            return f"/{stage}.tflite" in self.error
        return self.first is not None and self.first.stage == stage


def find(judge: Judge, variant: str, cases: list[Case], *, touched: set[str], deep: bool = True) -> Finding:
    """All checks of the stages touched and of what is between the stages but those of the domain and the free-running ladder and,
    where these found nothing and it is to be `deep`, in turn the domain, the graph on all cases, and that ladder too."""
    try:
        checks = list(_checks(judge, variant, cases, touched, deep))
        nearest = max((check.share_of_limit for check in checks if check.stage in touched), default=0.0)
        return Finding(failed=[check for check in checks if not check.ok], nearest=nearest)
    except InputError as error:
        return Finding(failed=[], error=str(error))


def injected(
    bench: Bench, faults: list[Fault], variant: str, cases: list[Case], share: float = 1.0, *, deep: bool = True
) -> Finding:
    """What the gate finds with some faults at once."""
    touched = set().union(*(fault.touches for fault in faults))
    try:
        with _spoiled(bench, faults, variant, share) as judge:
            return find(judge, variant, cases, touched=touched, deep=deep)
    except InputError as error:
        return Finding(failed=[], error=str(error))


def is_caught(bench: Bench, fault: Fault, variant: str, cases: list[Case], share: float, *, deep: bool) -> bool:
    """Whether the gate finds anything with so much of a fault; looks no further than the first check that fails. What is wrong
    with a file it has to find by reading it."""
    try:
        with _spoiled(bench, [fault], variant, share) as judge:
            if isinstance(fault.into(variant), InFile):
                return any(not check.ok for check in _of_files(judge, variant))
            return any(not check.ok for check in _checks(judge, variant, cases, fault.touches, deep))
    except InputError:
        return True


@contextmanager
def _spoiled(bench: Bench, faults: list[Fault], variant: str, share: float) -> Iterator[Judge]:
    """A judge with all of the faults."""
    with ExitStack() as stack:
        judge = bench.judge
        for fault in faults:
            judge = stack.enter_context(fault.into(variant)(bench, judge, variant, share))
        yield judge


def _checks(judge: Judge, variant: str, cases: list[Case], touched: set[str], deep: bool) -> Iterator[Verdict]:
    """The checks in the order of what they cost, none that costs more once one has failed."""
    failed = False
    for part in (_cheap, _swept, _of_all_cases, _dear) if deep else (_cheap,):
        for check in part(judge, variant, cases, touched):
            failed = failed or not check.ok
            yield check
        if failed:
            return


def own_stages(judge: Judge, variant: str, touched: set[str]) -> list[str]:
    """Those of a contender's stages that are touched."""
    return [stage for stage in judge.stages(variant) if stage in touched]


def _of_files(judge: Judge, variant: str) -> Iterator[Verdict]:
    bundle = judge.source(variant).bundle
    if bundle is not None:
        yield from judge.artifacts(bundle, variant)


def _cheap(judge: Judge, variant: str, cases: list[Case], touched: set[str]) -> Iterator[Verdict]:
    yield from _of_files(judge, variant)
    for stage in own_stages(judge, variant, touched):
        for case in cases:
            yield from judge.teacher_forced(stage, variant, case)
        yield from judge.kept(stage, variant, cases)
        yield from judge.pooled(stage, variant, cases)
        yield from judge.structure(stage, variant, cases)
        yield judge.determinism(stage, variant, cases[0])
    for case in cases:
        yield from judge.replayed(variant, case)
    yield from judge.replayed(variant, cases[0], from_audio=True)


def _swept(judge: Judge, variant: str, cases: list[Case], touched: set[str]) -> Iterator[Verdict]:
    for stage in own_stages(judge, variant, touched):
        sweep = judge.drawn(stage, cases[0], Sweep())
        for drawn in sweep:
            yield from judge.swept(variant, drawn)
        yield from judge.responses(stage, variant, sweep)


def _of_all_cases(judge: Judge, variant: str, cases: list[Case], touched: set[str]) -> Iterator[Verdict]:
    """The graph beside the file's own weights on all the cases there are, as a gate that is asked for no fewer looks at it."""
    every = load_cases(judge.model.tokenizer, judge.model.spec)
    for stage in own_stages(judge, variant, touched):
        yield from judge.structure(stage, variant, every)


def _dear(judge: Judge, variant: str, cases: list[Case], touched: set[str]) -> Iterator[Verdict]:
    for case in free_running_cases(cases)[:1]:
        yield from judge.free_running(variant, case)
