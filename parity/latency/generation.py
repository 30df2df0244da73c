"""Whole generations of a judge's contenders side by side."""

from collections.abc import Mapping
from functools import partial

from litert_pipeline.run.pipeline import assembled
from parity.judge.judge import Judge
from parity.latency.entrants import Entrant, open_together
from parity.latency.laps import Laps, Runner, race_laps
from parity.measure.cases import Case
from reference.spec.generation import Pipeline, Stage
from reference.spec.stages import GENERATION


def race_generations(
    judge: Judge, entrants: list[Entrant], case: Case, *, threads: int, rounds: int, warmup: int = 1
) -> dict[str, Laps]:
    """Everybody generates the same case, in turns, all stages open; `warmup` times do not count."""
    with open_together(entrants, list(GENERATION), threads) as runs:
        runners = {
            entrant.name: Runner(
                {stage: runs[entrant.name, stage] for stage in GENERATION}, partial(_pipeline, judge, entrant),
                case.request, case.draws,
            )
            for entrant in entrants
        }  # fmt: skip
        return race_laps(runners, rounds, warmup)


def _pipeline(judge: Judge, entrant: Entrant, stages: Mapping[str, Stage]) -> Pipeline:
    bundle = judge.contenders[entrant.budgets].bundle
    own = judge.model.pipeline() if bundle is None else assembled(bundle, stages)
    return Pipeline(**{**vars(own), "stages": stages})
