"""Latency of every variant, stage by stage and end to end; the answers are judged in the same test.

pytest parity/ --benchmark-only --threads 1,2 --benchmark-json=latency.json

On a device `--kit kit` takes the place of model and bundles, and nothing needs torch. All variants are timed in turns before the
first of their tests reports; each test then replays what its variant took.
"""

from collections.abc import Iterator

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from parity.latency.latencies import Latencies
from parity.measure.race import Times


class Replay:
    """A clock and a function that takes as long, on that clock, as was measured before."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.left: Iterator[float] = iter(())

    def timer(self) -> float:
        return self.now_s

    def __call__(self) -> None:
        self.now_s += next(self.left)

    def into(self, benchmark: BenchmarkFixture, times: Times) -> None:
        self.left = iter(times.seconds)
        benchmark.extra_info.update(median_s=times.median_s, iqr_s=times.iqr_s, noisy=times.noisy)
        benchmark.pedantic(self, rounds=len(times.seconds))


@pytest.fixture
def replay(request: pytest.FixtureRequest) -> Replay:
    """Listed before `benchmark`, which takes its clock from this mark."""
    found = Replay()
    request.node.add_marker(pytest.mark.benchmark(timer=found.timer))
    return found


def test_stage_latency(
    replay: Replay, benchmark: BenchmarkFixture, suite: Latencies, variant: str, stage: str, threads: int
) -> None:
    timed = suite.stage(stage, variant, threads)
    benchmark.group = f"{stage}, {threads} threads"
    benchmark.extra_info.update(suite.extra(variant, threads), stage=stage)
    if not suite.quick:
        benchmark.extra_info.update(suite.details(stage, variant, threads, timed.times))
    replay.into(benchmark, timed.times)
    assert timed.verdicts
    assert not [str(v) for v in timed.verdicts if not v.ok]


def test_opening_latency(
    replay: Replay, benchmark: BenchmarkFixture, suite: Latencies, variant: str, stage: str, threads: int
) -> None:
    if not suite.has_files(variant, stage):
        pytest.skip("nothing to open: it runs the loaded model, or the bundle lacks the stage")
    benchmark.group = f"opening {stage}, {threads} threads"
    benchmark.extra_info.update(suite.extra(variant, threads), stage=f"opening {stage}")
    replay.into(benchmark, suite.opening(stage, variant, threads))


def test_end_to_end_latency(
    replay: Replay, benchmark: BenchmarkFixture, suite: Latencies, variant: str, threads: int
) -> None:
    laps = suite.laps(variant, threads)
    benchmark.group = f"end to end, {threads} threads"
    benchmark.extra_info.update(suite.extra(variant, threads), stage="end to end", overhead=laps.overhead)
    benchmark.extra_info["stage_s"] = {stage: times.median_s for stage, times in laps.stages.items()}
    benchmark.extra_info["audio_s"] = suite.audio_s
    replay.into(benchmark, laps.total)
    assert laps.deterministic
    assert np.isfinite(laps.audio).all()
    assert not [str(v) for v in suite.of_generations(variant, threads) if not v.ok]
