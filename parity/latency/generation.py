"""Whole generations side by side: seconds per stage, end to end, and what the pipeline adds to its invocations."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from litert_pipeline.run.pipeline import assembled
from parity.judge.judge import Judge
from parity.latency.entrants import Entrant, open_together
from parity.measure.cases import Case
from parity.measure.race import Times, race
from reference.spec.generation import Pipeline, Stage, generate
from reference.spec.stages import GENERATION
from reference.spec.tensors import Array, Tensors


@dataclass(frozen=True, kw_only=True)
class Laps:
    """Seconds of several generations: of each stage (all its calls), and of everything."""

    stages: Mapping[str, Times]
    total: Times
    audio: Array
    deterministic: bool

    @property
    def overhead(self) -> float:
        """The share of the time that is not spent in stages, median over the rounds."""
        inside = zip(*(self.stages[stage].seconds for stage in GENERATION), strict=True)
        pairs = zip(inside, self.total.seconds, strict=True)
        return float(statistics.median(1 - sum(parts) / total for parts, total in pairs))


class _Clocked:
    """A stage that adds up its time."""

    def __init__(self, run: Stage) -> None:
        self.run, self.spent_s = run, 0.0

    def __call__(self, feed: Mapping[str, Array]) -> Tensors:
        start = time.perf_counter()
        answer = self.run(feed)
        self.spent_s += time.perf_counter() - start
        return answer


def race_generations(
    judge: Judge, entrants: list[Entrant], case: Case, *, threads: int, rounds: int, warmup: int = 1
) -> dict[str, Laps]:
    """Everybody generates the same case, in turns, all stages open; `warmup` times do not count."""
    with open_together(entrants, list(GENERATION), threads) as runs:
        runners = {
            entrant.name: _Runner(judge, entrant, {stage: runs[entrant.name, stage] for stage in GENERATION}, case)
            for entrant in entrants
        }
        totals = race(runners, rounds, warmup)
    return {name: runner.laps(totals[name], rounds) for name, runner in runners.items()}


class _Runner:
    """One entrant's generations."""

    def __init__(self, judge: Judge, entrant: Entrant, stages: Mapping[str, Stage], case: Case) -> None:
        self.case, self.clocks = case, {stage: _Clocked(run) for stage, run in stages.items()}
        self.pipeline = _pipeline(judge, entrant, self.clocks)
        self.spent: list[dict[str, float]] = []
        self.audios: list[Array] = []

    def __call__(self, _: int) -> None:
        for clock in self.clocks.values():
            clock.spent_s = 0.0
        trace = generate(self.pipeline, self.case.request, self.case.draws(self.pipeline.latent_shape))
        self.spent.append({stage: clock.spent_s for stage, clock in self.clocks.items()})
        self.audios = [*self.audios[-1:], trace["audio"]]

    def laps(self, total: Times, rounds: int) -> Laps:
        counted = self.spent[-rounds:]
        return Laps(
            stages={stage: Times(seconds=tuple(lap[stage] for lap in counted)) for stage in GENERATION},
            total=total,
            audio=self.audios[-1],
            deterministic=all(np.array_equal(audio, self.audios[0]) for audio in self.audios),
        )


def _pipeline(judge: Judge, entrant: Entrant, stages: Mapping[str, Callable[[Mapping[str, Array]], Tensors]]) -> Pipeline:
    bundle = judge.contenders[entrant.budgets].bundle
    own = judge.model.pipeline() if bundle is None else assembled(bundle, stages)
    return Pipeline(**{**vars(own), "stages": stages})
