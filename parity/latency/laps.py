"""Whole generations, timed: seconds per stage, end to end, and what the pipeline adds to its invocations."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from parity.measure.race import Times, race
from reference.spec.generation import Pipeline, Request, Stage, generate
from reference.spec.sampling.objective import State
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


class Clocked:
    """A stage that adds up its time."""

    def __init__(self, run: Stage) -> None:
        self.run, self.spent_s = run, 0.0

    def __call__(self, feed: Mapping[str, Array]) -> Tensors:
        start = time.perf_counter()
        answer = self.run(feed)
        self.spent_s += time.perf_counter() - start
        return answer


class Runner:
    """One entrant's generations of `request`; `pipeline` makes of clocked stages what runs, `draws` gives the noise of a run."""

    def __init__(
        self, stages: Mapping[str, Stage], pipeline: Callable[[Mapping[str, Stage]], Pipeline], request: Request,
        draws: Callable[[tuple[int, ...]], Iterator[State]],
    ) -> None:  # fmt: skip
        self.clocks = {stage: Clocked(run) for stage, run in stages.items()}
        self.pipeline, self.request, self.draws = pipeline(self.clocks), request, draws
        self.spent: list[dict[str, float]] = []
        self.audio: Array | None = None
        self.deterministic = True

    def __call__(self, _: int) -> None:
        for clock in self.clocks.values():
            clock.spent_s = 0.0
        trace = generate(self.pipeline, self.request, self.draws(self.pipeline.latent_shape))
        self.spent.append({stage: clock.spent_s for stage, clock in self.clocks.items()})
        self.deterministic &= self.audio is None or np.array_equal(self.audio, trace["audio"])
        self.audio = trace["audio"]

    def laps(self, total: Times, rounds: int) -> Laps:
        """What the last `rounds` took."""
        counted = self.spent[-rounds:]
        assert self.audio is not None
        return Laps(
            stages={stage: Times(seconds=tuple(lap[stage] for lap in counted)) for stage in GENERATION},
            total=total,
            audio=self.audio,
            deterministic=self.deterministic,
        )


def race_laps(runners: Mapping[str, Runner], rounds: int, warmup: int = 1) -> dict[str, Laps]:
    """Everybody generates in turns; `warmup` times do not count."""
    totals = race(runners, rounds, warmup)
    return {name: runner.laps(totals[name], rounds) for name, runner in runners.items()}
