"""What is timed is timed fairly, counted rightly, and a noisy figure is none."""

import math
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from litert_pipeline.bundle import Bundle
from litert_pipeline.run.own_process import run_in_own_process
from parity.device.record.machine import governor, temperature_c
from parity.judge.judge import Judge
from parity.latency.delegation import delegation
from parity.latency.entrants import of_variant, open_together, race_stage, with_threads
from parity.latency.generation import race_generations
from parity.latency.machine import machine
from parity.latency.peak import peaks, write_dense
from parity.latency.suite import Suite
from parity.latency.work import macs
from parity.measure.race import NOISY_SPREAD, Times, race
from parity.runtimes.environment import parse_sysctl
from parity.test_parity import case_called
from reference.spec.errors import InputError
from reference.spec.generation import Stage
from reference.spec.memory import peak_resident_bytes
from reference.spec.stages import GENERATION
from reference.spec.tensors import Array, Tensors

BALLAST_BYTES = 400 * 2**20
ABOUT = 1e-9
SMALL_LAYERS = 0.02  # the share of those for level and globals, which are left out by hand
STORED_IN_INT8 = 0.26  # of the bytes of FP32: a quarter, and the scales
TINY_OVERHEAD = 0.5  # of stages that take a millisecond; the share at full size is in docs/performance.md
HALF, GAIN = 0.5, 1.01  # up to which level a DiT is spoiled, and how


class Clock:
    """Time that passes only when somebody works."""

    def __init__(self) -> None:
        self.now_s, self.order = 0.0, list[str]()

    def __call__(self) -> float:
        return self.now_s

    def worker(self, name: str, seconds: float) -> Callable[[int], object]:
        def work(_: int) -> None:
            self.order.append(name)
            self.now_s += seconds

        return work


def test_everybody_is_timed_in_turns_and_starts_in_turn() -> None:
    clock = Clock()
    found = race({name: clock.worker(name, took) for name, took in (("a", 1.0), ("b", 2.0), ("c", 4.0))}, 3, clock=clock)
    assert {name: times.seconds for name, times in found.items()} == {"a": (1.0,) * 3, "b": (2.0,) * 3, "c": (4.0,) * 3}
    assert "".join(clock.order[3:]) == "abcbcacab"  # the first three warm up


@given(st.lists(st.floats(0.001, 100.0), min_size=1, max_size=30))
def test_a_median_lies_between_and_constant_times_are_not_noisy(seconds: list[float]) -> None:
    times = Times(seconds=tuple(seconds))
    assert min(seconds) <= times.median_s <= max(seconds)
    assert 0 <= times.iqr_s <= max(seconds) - min(seconds)
    assert not Times(seconds=(seconds[0],) * len(seconds)).noisy


@pytest.mark.parametrize(("spread", "noisy"), [(0.9 * NOISY_SPREAD, False), (1.1 * NOISY_SPREAD, True)])
def test_a_wide_spread_is_noise(spread: float, noisy: bool) -> None:
    assert Times(seconds=(1 - spread, 1 - spread / 2, 1.0, 1 + spread / 2, 1 + spread)).noisy == noisy


def test_multiplications_are_those_of_the_formula(judge: Judge) -> None:
    """Layers by hand: attention, feed-forward, the conditioning's projection, in and out."""
    spec, found = judge.model.spec, macs(judge.model.spec)
    dit, positions = spec.dit, spec.dit.positions(spec.latent_frames)
    width, context, tokens = dit.embed_dim, dit.context_dim, spec.prompt.max_length + 1
    own = positions * width * 4 * width + 2 * positions**2 * width
    cross = positions * 2 * width**2 + tokens * 2 * context**2 + 2 * positions * tokens * width
    forward = positions * (8 * width**2 + 4 * width**2)
    outside = 2 * positions * width * dit.io_channels + tokens * (dit.cond_token_dim + context) * context
    exact = dit.depth * (own + cross + forward) + outside
    assert found["dit"] == pytest.approx(exact, rel=SMALL_LAYERS)
    assert found["decoder"] > found["dit"]


def test_the_machine_is_told_as_far_as_it_can_be_read(tmp_path: Path) -> None:
    assert governor(tmp_path) is None
    assert temperature_c(tmp_path) is None
    (tmp_path / "devices/system/cpu/cpu0/cpufreq").mkdir(parents=True)
    (tmp_path / "devices/system/cpu/cpu0/cpufreq/scaling_governor").write_text("performance\n")
    for zone, milli in (("0", "41000"), ("1", "58500")):
        (tmp_path / f"class/thermal/thermal_zone{zone}").mkdir(parents=True)
        (tmp_path / f"class/thermal/thermal_zone{zone}/temp").write_text(milli)
    found = machine(2, tmp_path)
    assert (found["governor"], found["temperature_c"], found["threads"]) == ("performance", 58.5, 2)
    assert found["machine_id"] == machine(1)["machine_id"]


def test_apple_features_are_spelled_as_linux_spells_them() -> None:
    told = "hw.optional.arm.FEAT_SME2: 1\nhw.optional.arm.FEAT_SVE: 0\nhw.optional.arm.FEAT_DotProd: 1\nhw.optional.arm64: 1"
    assert parse_sysctl(told) == {"sme2", "asimddp"}


def test_peak_memory_is_not_the_parents(tmp_path: Path) -> None:
    """A process that a large one starts inherits its parent's `ru_maxrss`."""
    code = f"""
import resource, subprocess, sys
ballast = bytearray(b'x') * {BALLAST_BYTES}
print(subprocess.run([sys.executable, '-c', 'from reference.spec.memory import peak_resident_bytes as p; print(p())'],
                     capture_output=True, text=True, check=True).stdout)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert 0 < int(told) < BALLAST_BYTES / 4


def test_without_the_kernels_own_mark_the_resource_is_asked(tmp_path: Path) -> None:
    assert peak_resident_bytes(tmp_path / "none") >= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_a_stage_alone_tells_time_and_memory(bundles: dict[str, Bundle]) -> None:
    found = run_in_own_process(bundles["int8"].folder, stage="decoder")
    assert 0 < found["open_s"] < found["total_s"]
    assert found["peak_bytes"] > bundles["int8"].manifest.stages["decoder"].size_bytes
    assert run_in_own_process(bundles["int8"].folder)["peak_bytes"] > 0


def test_what_fails_alone_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        run_in_own_process(tmp_path / "none")


def test_a_file_several_run_is_opened_once(judge: Judge) -> None:
    entrants = [of_variant(judge, name) for name in ("litert_fp32", "litert_windowed", "litert_int8")]
    with open_together(entrants, list(GENERATION), 1) as runs:
        assert len({id(runs[entrant.name, "conditioner"]) for entrant in entrants}) == 1
        assert len({id(runs[entrant.name, "dit"]) for entrant in entrants}) == 2
        assert len({id(runs[entrant.name, "decoder"]) for entrant in entrants}) == 3


def test_a_wrong_answer_is_not_a_result(judge: Judge) -> None:
    """However fast: the DiT's last steps are off."""
    spoiled, right = "litert_fp32", of_variant(judge, "litert_fp32")

    @contextmanager
    def opening(stage: str, threads: int) -> Iterator[Stage]:
        with right.open(stage, threads) as run:

            def answered(feed: Mapping[str, Array]) -> Tensors:
                answer = run(feed)
                return answer if feed["t"][0] > HALF else {"velocity": answer["velocity"] * GAIN}

            yield answered

    wrong = type(right)(name=spoiled, budgets=spoiled, open=opening, same=lambda stage: spoiled)
    case = case_called(judge, "drums")
    for entrant, steps in ((right, set()), (wrong, {6, 7})):
        (timed,) = race_stage(judge, [entrant], "dit", case, threads=1, rounds=1).values()
        failed = [verdict for verdict in timed.verdicts if not verdict.ok]
        assert {verdict.step for verdict in failed if verdict.step is not None} == steps
        assert bool(failed) == bool(steps)


@pytest.mark.parametrize(("recipe", "stage"), [("int8_fast", "decoder"), ("int8", "dit"), ("windowed", "decoder")])
def test_xnnpack_takes_what_is_fast_in_one_piece(bundles: Mapping[str, Bundle], recipe: str, stage: str) -> None:
    found = delegation(bundles[recipe].path(stage))
    assert found["nodes"] > 0
    assert found["delegates"] == 1


def test_the_pipeline_adds_little_to_its_stages(judge: Judge) -> None:
    case = case_called(judge, "drums")
    (laps,) = race_generations(judge, [of_variant(judge, "litert_int8_fast")], case, threads=1, rounds=3).values()
    assert laps.deterministic
    assert 0 < laps.overhead < TINY_OVERHEAD
    assert len(laps.total.seconds) == len(laps.stages["dit"].seconds) == 3


def test_the_peak_is_measured_in_both_arithmetics(judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of the two is the faster depends on the CPU."""
    files = write_dense(tmp_path)
    assert files["int8"].stat().st_size < STORED_IN_INT8 * files["fp32"].stat().st_size
    measured = peaks(files, 1)
    monkeypatch.setattr("parity.latency.suite.peaks", lambda *_: measured)
    found = Suite(judge=judge, variants=["torch_fp32"], folder=tmp_path)
    times = found.stage("conditioner", "torch_fp32", 1).times
    told = found.rate("conditioner", times, 1)
    assert told["gmac_per_s"] == pytest.approx(told["gmac"] / times.median_s, rel=ABOUT)
    assert measured.keys() == {"fp32", "int8"}
    for precision, peak in measured.items():
        share = told[f"share_of_{precision}_peak"]
        assert 0 < share < 1
        assert share * peak == pytest.approx(told["gmac_per_s"] * 1e9, rel=ABOUT)


class Unsteady:
    """A stage that answers otherwise from the second generation on, or never."""

    def __init__(self, run: Stage, from_call: float) -> None:
        self.run, self.calls, self.from_call = run, 0, from_call

    def __call__(self, feed: Mapping[str, Array]) -> Tensors:
        self.calls += 1
        answer = self.run(feed)
        return {name: array * GAIN if self.calls >= self.from_call else array for name, array in answer.items()}


@pytest.mark.parametrize(("from_call", "steady"), [(math.inf, True), (2, False)])
def test_generations_that_differ_are_told(judge: Judge, from_call: float, steady: bool) -> None:
    """Be it that only the first differs from all others."""
    right = of_variant(judge, "litert_fp32")

    @contextmanager
    def opening(stage: str, threads: int) -> Iterator[Stage]:
        with right.open(stage, threads) as run:
            yield Unsteady(run, from_call) if stage == "decoder" else run

    entrant = replace(right, open=opening)
    (laps,) = race_generations(judge, [entrant], case_called(judge, "drums"), threads=1, rounds=3, warmup=0).values()
    assert laps.deterministic == steady


def test_the_number_of_threads_is_put_back() -> None:
    before = torch.get_num_threads()
    with with_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
