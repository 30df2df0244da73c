"""Who takes part in a race: the variants, opened side by side, those that run the same file only once."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass

import torch

from parity.judge.judge import Judge
from parity.latency.latencies import Timed
from parity.measure.budget import YARDSTICK
from parity.measure.cases import Case
from parity.measure.race import Times, race
from reference.pipeline import TorchStage
from reference.spec.generation import Stage
from reference.spec.stages import STAGE_TABLE, signatures
from reference.spec.tensors import Tensors


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """`open(stage, threads)` gives a stage. `budgets` is the variant whose budgets its answers are held to, `same(stage)`
    the same for entrants that would do the very same."""

    name: str
    budgets: str
    open: Callable[[str, int], AbstractContextManager[Stage]]
    same: Callable[[str], str]


def of_variant(judge: Judge, variant: str) -> Entrant:
    """A variant as an entrant. The reference's weights are held: a large model's are otherwise read when asked for."""

    def opening(stage: str, threads: int) -> AbstractContextManager[Stage]:
        if variant == YARDSTICK:
            return nullcontext(TorchStage(judge.model.modules[stage], signatures(judge.model.spec)[stage]))
        return judge.contenders[variant].open(judge.model, stage, threads)

    return Entrant(
        name=variant,
        budgets=variant,
        open=opening,
        same=lambda stage: repr(judge.source(variant).identity(stage)),
    )


@contextmanager
def with_threads(threads: int) -> Iterator[None]:
    """torch's number of threads is a setting of the process."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def open_together(entrants: list[Entrant], stages: list[str], threads: int) -> Iterator[dict[tuple[str, str], Stage]]:
    """Every entrant's stages by name and stage; what several would run is opened once."""
    with ExitStack() as stack:
        stack.enter_context(with_threads(threads))
        runs: dict[tuple[str, str], Stage] = {}
        for stage in stages:
            for entrant in entrants:
                key = (entrant.same(stage), stage)
                if key not in runs:
                    runs[key] = stack.enter_context(entrant.open(stage, threads))
        yield {(entrant.name, stage): runs[entrant.same(stage), stage] for entrant in entrants for stage in stages}


def race_stage(
    judge: Judge, entrants: list[Entrant], stage: str, case: Case, *, threads: int, rounds: int, warmup: int = 1
) -> dict[str, Timed]:
    """One stage of everybody on the truth's inputs, call by call, so at least as many rounds as the generation has."""
    truth = judge.truth(case)
    row = STAGE_TABLE[stage]
    calls = row.calls(truth)
    feeds = [row.feed(truth, call) for call in range(calls)]
    first = {entrant.same(stage): entrant for entrant in reversed(entrants)}
    answers: dict[str, dict[int, Tensors]] = {same: {} for same in first}
    with open_together(list(first.values()), [stage], threads) as runs:

        def entering(same: str) -> Callable[[int], object]:
            run, kept = runs[first[same].name, stage], answers[same]
            return lambda number: kept.update({number % calls: run(feeds[number % calls])})

        times = race({same: entering(same) for same in first}, max(rounds, calls), warmup)
    ordered = {same: [kept[call] for call in range(calls)] for same, kept in answers.items()}
    return {
        entrant.name: Timed(
            times=times[entrant.same(stage)],
            verdicts=judge.held(stage, entrant.budgets, case, ordered[entrant.same(stage)]),
        )
        for entrant in entrants
    }


def race_opening(
    entrants: list[Entrant], stage: str, *, threads: int, rounds: int, warmup: int = 1
) -> dict[str, Times]:
    """How long everybody takes to open a stage; the file is in the system's cache."""
    first = {entrant.same(stage): entrant for entrant in reversed(entrants)}

    def opening(entrant: Entrant) -> Callable[[int], object]:
        def once(_: int) -> None:
            with entrant.open(stage, threads):
                pass

        return once

    with with_threads(threads):
        times = race({same: opening(entrant) for same, entrant in first.items()}, rounds, warmup)
    return {entrant.name: times[entrant.same(stage)] for entrant in entrants}
