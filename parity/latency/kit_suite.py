"""What the benchmark tests ask for, of a kit on the device itself: races run once for all variants, judged from packed truths.

Imports nothing that a device lacks.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from litert_pipeline.run.open_stages import OpenStages
from parity.device.record.alone import AS_MODULE, alone
from parity.device.record.generations import draws_of, pipeline_of, request_of
from parity.device.record.kit import Kit
from parity.device.record.live import Device
from parity.device.record.machine import beside_times
from parity.device.record.open_part import RACE_BYTES, OpenParts, open_part
from parity.device.record.plan import Variant
from parity.device.record.verdicts import Bounds, measurements, truth_of
from parity.latency.delegation import delegation
from parity.latency.laps import Laps, Runner, race_laps
from parity.latency.latencies import Timed
from parity.measure.race import Times, race
from parity.measure.verdict import Verdict
from reference.spec.generation import Stage
from reference.spec.stages import DECODER, GENERATION
from reference.spec.tensors import Tensors

ROUNDS = 5  # of a kit that was packed to time nothing, where pytest is asked to


@dataclass
class KitSuite:
    """The races of a session. `device` is the one other tests ask; what they have open is closed before anything is timed.
    `quick`: one round each, for the answers only."""

    device: Device
    variants: list[str]
    quick: bool = False
    _stages: dict[tuple[str, str, int], Timed] = field(default_factory=dict)
    _openings: dict[tuple[str, str, int], Times] = field(default_factory=dict)
    _laps: dict[tuple[str, int], Laps] = field(default_factory=dict)
    _peaks: dict[tuple[str, str], int] = field(default_factory=dict)

    @property
    def kit(self) -> Kit:
        """Whose bundles are raced."""
        return self.device.kit

    @property
    def parts(self) -> OpenParts:
        """What other tests have open."""
        return self.device.parts

    @property
    def audio_s(self) -> float:
        """How much sound a generation makes."""
        manifest = self.kit.bundles[self._yardstick.bundle].manifest
        return manifest.stages[DECODER].signature.outputs[0].shape[-1] / manifest.sample_rate_hz

    def stage(self, stage: str, variant: str, threads: int) -> Timed:
        """A variant's calls of a stage, raced against those of all others that have it where they fit into memory."""
        own = self._judged_as(variant, stage)
        if (stage, own.name, threads) not in self._stages:
            for group in self._groups(own, stage):
                raced = self._raced(group, stage, threads)
                self._stages |= {(stage, name, threads): timed for name, timed in raced.items()}
        return self._stages[stage, own.name, threads]

    def opening(self, stage: str, variant: str, threads: int) -> Times:
        """How long opening a stage takes; the file is in the system's cache."""
        own = self._judged_as(variant, stage)
        if (stage, own.name, threads) not in self._openings:
            self.parts.held.close()
            entrants = {one.name: self._opener(one, stage, threads) for group in self._groups(own, stage) for one in group}
            raced = race(entrants, self._rounds, self._warmup)
            self._openings |= {(stage, name, threads): times for name, times in raced.items()}
        return self._openings[stage, own.name, threads]

    def laps(self, variant: str, threads: int) -> Laps:
        """A variant's whole generations, with the opening of stages in them where not all fit into memory together."""
        if (variant, threads) not in self._laps:
            self.parts.held.close()
            parts = OpenParts(kit=self.kit, held=OpenStages(held_bytes=RACE_BYTES))
            beside = [variant] if self.quick else self.variants
            try:
                laps = race_laps({name: self._runner(name, threads, parts) for name in beside}, self._rounds, self._warmup)
            finally:
                parts.held.close()
            self._laps |= {(name, threads): one for name, one in laps.items()}
        return self._laps[variant, threads]

    def of_generations(self, variant: str, threads: int) -> list[Verdict]:
        """What a variant generates is the host's to judge; these are the verdicts on its stages, fed the first case's truth."""
        return [verdict for stage in GENERATION for verdict in self.stage(stage, variant, threads).verdicts]

    def has_files(self, variant: str, stage: str) -> bool:
        """A kit asks of nothing else."""
        return True

    def extra(self, variant: str, threads: int) -> dict[str, Any]:
        """Where, with what files. The yardstick is the kit's first variant, for the reference does not run on a device."""
        name = self.kit.plan.variant(variant).bundle
        sizes = {stage: entry.size_bytes for stage, entry in self.kit.bundles[name].manifest.stages.items()}
        return {
            **beside_times(), "threads": threads, "variant": variant, "yardstick": self._yardstick.name, "kit": self.kit.id,
            "artifact_sha256": dict(self.kit.plan.hashes[name]), "artifact_bytes": sizes,
        }  # fmt: skip

    def details(self, stage: str, variant: str, threads: int, times: Times) -> dict[str, Any]:
        """The memory a stage takes by itself, on the kit's first number of threads, and what XNNPACK takes of it."""
        own = self._judged_as(variant, stage)
        if (own.name, stage) not in self._peaks:
            self._peaks[own.name, stage] = int(alone(self.kit, own.name, stage, AS_MODULE)["peak_bytes"])
        delegated = delegation(self.kit.bundles[own.bundle].path(stage))
        return {"peak_bytes": self._peaks[own.name, stage], "delegation": delegated}

    @property
    def _yardstick(self) -> Variant:
        return self.kit.plan.variants[0]

    @property
    def _rounds(self) -> int:
        return 1 if self.quick else self.kit.plan.rounds or ROUNDS

    @property
    def _warmup(self) -> int:
        return 0 if self.quick else 1

    def _judged_as(self, variant: str, stage: str) -> Variant:
        plan = self.kit.plan
        return plan.variant(plan.variant(variant).part(stage).judged_as)

    def _groups(self, own: Variant, stage: str) -> list[list[Variant]]:
        """Those a variant is raced beside, itself among them, each file once: nobody where nothing is timed."""
        plan = self.kit.plan
        with_it = [name for name in self.variants if any(part.stage == stage for part in plan.variant(name).parts)]
        names = [own.name] if self.quick else [self._judged_as(name, stage).name for name in with_it]
        return self.parts.in_turns([plan.variant(name) for name in dict.fromkeys(names)], stage)

    def _opener(self, variant: Variant, stage: str, threads: int) -> Callable[[int], object]:
        def once(_: int) -> None:
            with open_part(self.kit, variant, stage, threads):
                pass

        return once

    def _raced(self, group: Sequence[Variant], stage: str, threads: int) -> dict[str, Timed]:
        """The first case, call by call, so at least as many rounds as it has calls."""
        self.parts.held.close()
        feeds = list(self.kit.feeds(self.kit.plan.first_case(stage)))
        answers: dict[str, dict[int, Tensors]] = {one.name: {} for one in group}
        with ExitStack() as stack:
            runs = {one.name: stack.enter_context(open_part(self.kit, one, stage, threads)) for one in group}
            calls = {name: partial(_noted, run, feeds, answers[name]) for name, run in runs.items()}
            times = race(calls, max(self._rounds, len(feeds)), self._warmup)
        return {
            name: Timed(times=times[name], verdicts=self._judged(name, stage, [kept[call] for call in range(len(feeds))]))
            for name, kept in answers.items()
        }

    def _judged(self, variant: str, stage: str, answers: list[Tensors]) -> list[Verdict]:
        plan, question = self.kit.plan, self.kit.plan.first_case(stage)
        right = plan.right[stage, question.id, plan.variant(variant).part(stage).loading]
        found = measurements(plan.objective, question, truth_of(self.kit.arrays, right), answers)
        bounds = Bounds(plan=plan, halves=self.device.halves)
        return [bounds.verdict(variant, question, one) for one in found]

    def _runner(self, name: str, threads: int, parts: OpenParts) -> Runner:
        variant, one = self.kit.plan.variant(name), self.kit.plan.generations[0]

        def run(stage: str) -> Stage:
            own = self._judged_as(name, stage)
            return lambda feed: parts.stage(own, stage, threads)(feed)

        return Runner(
            {stage: run(stage) for stage in GENERATION}, partial(pipeline_of, self.kit, variant, one), request_of(one),
            partial(draws_of, one),
        )  # fmt: skip


def _noted(run: Stage, feeds: Sequence[Tensors], answers: dict[int, Tensors], number: int) -> None:
    call = number % len(feeds)
    answers[call] = run(feeds[call])
