"""A kit whose questions are asked when somebody wants the answers: what pytest does on a device, where nothing is recorded."""

from dataclasses import dataclass, field, replace
from functools import cached_property

from parity.device.record.alone import AS_MODULE, halves_alone
from parity.device.record.kit import Kit
from parity.device.record.open_part import OpenParts
from parity.device.record.plan import Plan, Question
from parity.device.record.verdicts import OnTheSpot
from parity.measure.teacher_forcing import unequal_values
from reference.spec.tensors import Tensors


@dataclass(frozen=True, kw_only=True)
class Live:
    """What this device answers on so many threads. A question is asked once, but where repeating it is the question. `halves`:
    what it does for FP16 compute."""

    kit: Kit
    threads: int
    parts: OpenParts
    halves: str
    _answers: dict[tuple[str, str, str], list[Tensors]] = field(default_factory=dict)

    @cached_property
    def plan(self) -> Plan:
        """The kit's, on these threads."""
        return replace(self.kit.plan, threads=(self.threads,))

    def to(self, variant: str, stage: str, question: Question) -> list[Tensors]:
        """What a stage answers, call by call. Raises InputError for a file that cannot be opened."""
        key = (variant, stage, question.id)
        if key not in self._answers:
            self._answers[key] = self._asked(variant, stage, question)
        return self._answers[key]

    def unequal(self, variant: str, stage: str, threads: int) -> int:
        """How many values differ where the first case is asked again, as often as the kit says."""
        assert threads == self.threads, "a plan of one number of threads"
        question = self.plan.first_case(stage)
        first = self.to(variant, stage, question)
        return sum(unequal_values(first, self._asked(variant, stage, question)) for _ in range(self.plan.repeats - 1))

    def _asked(self, variant: str, stage: str, question: Question) -> list[Tensors]:
        run = self.parts.stage(self.plan.variant(variant), stage, self.threads)
        return [run(feed) for feed in self.kit.feeds(question)]


@dataclass(frozen=True, kw_only=True)
class Device:
    """This device and a kit. `parts` are the stages that are open."""

    kit: Kit
    parts: OpenParts
    _by_threads: dict[int, OnTheSpot] = field(default_factory=dict)

    @cached_property
    def halves(self) -> str:
        """What it does for FP16 compute; empty where that cannot be found out, and where no limit of the kit depends on it."""
        asked = any(check.halves for check in self.kit.plan.checks)
        found = halves_alone(self.kit, AS_MODULE) if asked else None
        return "" if found is None else str(found["kind"])

    def on(self, threads: int) -> OnTheSpot:
        """The verdicts on what it answers on so many threads."""
        if threads not in self._by_threads:
            live = Live(kit=self.kit, threads=threads, parts=self.parts, halves=self.halves)
            self._by_threads[threads] = OnTheSpot(answers=live, arrays=self.kit.arrays)
        return self._by_threads[threads]
